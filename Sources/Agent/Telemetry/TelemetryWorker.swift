import AgentCore
import Dataplane
import FleetProtocol
import LocalAPI
import Logging
import Netlink
import NetworkTypes
import Telemetry

/// What the reader of counters must know of the machine.
struct TelemetryView: Sendable {
    var targets: TelemetryTargets
    var interfaces: [SessionNetworkID: VMInterface]
    /// Nil before this boot's grant.
    var plan: OverlayPlan?
}

/// Reads all counters at an interval, on a queue of its own, and feeds what they say of each application to the machine.
///
/// Readings are taken shortly before the interval's ends on the boot-time clock, on which the machine's own intervals
/// end, so that what is counted falls into the interval in which it happened.
actor TelemetryWorker {
    private let executor = QueueExecutor(label: "outrider.telemetry")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let interval: Duration
    let readers: TelemetryReaders
    let store: TelemetryStore
    let clock: BootClock
    let logger: Logger
    private let inbox = WorkloadInbox()
    private var engine: TelemetryEngine
    private let observation: ObservationReader?
    private var observed: ObservedEngine
    private var view = TelemetryView(targets: TelemetryTargets(), interfaces: [:], plan: nil)
    private var latest: (at: Instant, took: Duration, step: TelemetryStep)?
    private var told: [String: String] = [:]

    init(
        interval: Duration, namespace: OverlayNamespace, ports: PortBook, observation: ObservationPlan,
        readsOverlay: Bool, store: TelemetryStore, clock: BootClock, logger: Logger
    ) {
        self.interval = interval
        self.store = store
        self.clock = clock
        self.logger = logger
        engine = TelemetryEngine(interval: interval)
        readers = TelemetryReaders(
            namespace: namespace, ports: ports, workloads: store.workloads, readsOverlay: readsOverlay)
        self.observation =
            observation.rules.isEmpty ? nil : ObservationReader(observation, host: namespace.host)
        observed = ObservedEngine(interval: interval)
    }

    /// Until cancelled.
    func run(for shell: AgentShell) async throws {
        while true {
            try await Task.sleep(for: pause)
            await read(for: shell)
        }
    }

    /// Time to the next reading.
    private var pause: Duration {
        let lead = min(.milliseconds(200), interval / 4).inNanoseconds
        let length = interval.inNanoseconds
        let now = clock.now.nanoseconds
        return .nanoseconds(((now + lead) / length + 1) * length - lead - now)
    }

    private func read(for shell: AgentShell) async {
        let assigned = inbox.take()
        readers.workloads.assign(assigned)
        if let fresh = await shell.telemetryView(unless: view.targets.revision) {
            view = fresh
            readers.adopt(view)
            for vm in readers.workloads.dropAbsent(except: Set(assigned.keys)) { store.assign(nil, to: vm) }
        }
        // Before a grant there is no overlay to read.
        guard view.plan != nil else { return }
        let started = clock.now
        let reading = readers.read(at: started)
        var step = engine.take(reading, targets: view.targets)
        if let observation { step.observed = observed.take(observation.read(at: started)) }
        latest = (started, clock.now - started, step)
        tell()
        await shell.feed(.measured(step))
    }

    private var sources: [AgentTelemetryReport.Source] {
        readers.sources + (observation.map { [$0.source] } ?? [])
    }

    /// A source that fails, and one that works again, are told once.
    private func tell() {
        for source in sources where told[source.name] != source.error {
            told[source.name] = source.error
            if let error = source.error {
                logger.warning("\(source.name) could not be read", metadata: ["reason": "\(error)"])
            } else {
                logger.notice("\(source.name) are read again")
            }
        }
    }

    // MARK: Workloads

    /// Looks at a process or control group before a launch is decided on it.
    ///
    /// - Throws: an invalid parameter when it does not exist.
    nonisolated func check(_ wish: WorkloadWish?) throws(AgentFailure) -> AssignedWorkload? {
        guard let wish else { return nil }
        do throws(NetlinkError) {
            return AssignedWorkload(wish: wish, began: try WorkloadReader.began(Workload(wish)))
        } catch {
            throw .other(.invalidParameter("workload", reason: "\(error)"))
        }
    }

    nonisolated func assign(_ workload: AssignedWorkload?, to interface: VMInterface) {
        guard let workload else { return }
        inbox.put(workload, for: interface.vm)
        store.assign(workload, to: interface.vm)
    }

    // MARK: Status

    func report(_ backlog: BacklogStatus) -> AgentTelemetryReport {
        var report = AgentTelemetryReport(interval: interval)
        report.age = latest.map { clock.now - $0.at }
        report.took = latest?.took
        report.sources = sources
        if let problem = store.problem { report.sources.append(.init(name: "disk", rows: nil, error: problem)) }
        report.flows = engine.flowCount
        report.events = readers.ports.events
        report.applications = (latest?.step.applications ?? [:]).sorted { $0.key < $1.key }.map {
            AgentTelemetryReport.Application($0.key, $0.value)
        }
        report.backlog.batches = backlog.batches
        report.backlog.intervals = backlog.intervals
        report.backlog.folded = backlog.folded
        report.backlog.lost = backlog.lost
        report.observed = (observation?.ports ?? []).map(AgentTelemetryReport.Observed.init)
        return report
    }
}

extension AgentTelemetryReport.Observed {
    init(_ port: ObservedReading.Port) {
        self.init(
            interface: port.observed.interface.name, application: port.observed.application, vm: port.observed.vm,
            vmName: port.observed.vmName, receivedBytes: port.counters.receivedBytes,
            sentBytes: port.counters.sentBytes, receivedPackets: port.counters.receivedPackets,
            sentPackets: port.counters.sentPackets)
    }
}

extension AgentTelemetryReport.Application {
    /// Pairs that a status names: the coordinator gets more.
    private static let pairsMax = 4

    init(_ application: ApplicationID, _ measure: ApplicationMeasure) {
        self.init(application: application)
        receivedBytes = measure.traffic?.receivedBytes
        sentBytes = measure.traffic?.sentBytes
        receivedPackets = measure.traffic?.receivedPackets
        sentPackets = measure.traffic?.sentPackets
        droppedPackets = measure.traffic?.droppedPackets
        tunnelBytes = measure.tunnel?.receivedBytes
        tunnelPackets = measure.tunnel?.receivedPackets
        cpu = measure.cpu
        memoryBytes = measure.memory
        memoryVMs = measure.memoryVMs
        pairs = measure.peers?.pairs.prefix(Self.pairsMax).map {
            AgentTelemetryReport.Pair(
                source: $0.source, destination: $0.destination, bytes: $0.bytes, packets: $0.packets)
        }
        unread = measure.gaps.unread
        unbased = measure.gaps.unbased
        reset = measure.gaps.reset
        late = measure.gaps.late
    }
}
