@_spi(Simulation) import AgentCore
@_spi(Simulation) import CoordinatorCore
import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SimulationKit

/// Something that must never be, and where it was seen.
public struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    /// Number in `docs/design.md`, "Invariants"; 0 for a contract between the parts of the simulation itself.
    public var invariant: Int
    public var text: String
    public var step: Int
    /// True simulated time, nanoseconds.
    public var at: Int64

    public var description: String { "invariant \(invariant) at step \(step), \(Double(at) / 1e9) s: \(text)" }
}

/// A fleet in a bottle: everything that a run consists of, moved on by one event at a time.
///
/// A value, so that the hot path pays for no locks and no exclusivity checks. All that happens follows from the seed.
struct World {
    enum Phase: Int {
        /// Faults come and go.
        case safety
        /// Faults have ended; everything must converge.
        case liveness
        /// Everything was given back; the pool and the kernels must become empty.
        case closing
        case done
    }

    let seed: UInt64
    let plan: Plan
    let planted: PlantedDefects
    /// True time, nanoseconds.
    var now: Int64 = 0
    var steps = 0
    var phase = Phase.safety
    var phaseEndsAt: Int64 = 0
    var queue = EventQueue()
    var log = Log()
    var probes = ProbeCounts()
    var violation: Violation?

    var identityDice: Dice
    var networkDice: Dice
    var diskDice: Dice
    var kernelDice: Dice
    var clientDice: Dice
    var operatorDice: Dice
    var faultDice: Dice
    var holdDice: Dice
    var journeyDice: Dice
    var echoDice: Dice
    /// Addresses that were given to machines since the start.
    var endpointsGiven = 0

    var hosts: [Host] = []
    var weather: Weather
    var clocks: Clocks
    var streams: [Stream] = []
    var processes: [CoordinatorProcess] = []
    /// The newest process of the coordinator: the one that holds the store.
    var leader = -1
    var store = StoreDisk()
    var storeTime: Int64 = 2 * Time.millisecond
    /// The store was put back from a backup some time in this run.
    var wasRestored = false

    var slots: [Slot] = []
    var journeys: [Journey] = []
    var applications: [ClientApplication] = []
    var commands: [UInt64: PendingCommand] = [:]
    var lastCommand: UInt64 = 0
    var promises: [RangePromise] = []
    /// A mark has just timed out.
    var isImpatient = false
    var faults: [Fault] = []
    var checks: Checker

    init(seed: UInt64, plan: Plan, planted: PlantedDefects, sink: ((String) -> Void)?) {
        self.seed = seed
        self.plan = plan
        self.planted = planted
        let root = SeededGenerator(seed: seed)
        identityDice = Dice(root.fork(2))
        networkDice = Dice(root.fork(3))
        diskDice = Dice(root.fork(4))
        kernelDice = Dice(root.fork(5))
        clientDice = Dice(root.fork(6))
        operatorDice = Dice(root.fork(7))
        faultDice = Dice(root.fork(8))
        holdDice = Dice(root.fork(10))
        journeyDice = Dice(root.fork(11))
        echoDice = Dice(root.fork(13))
        weather = Weather(hosts: World.hostsMax(plan))
        clocks = Clocks(bootZero: [Int64](repeating: 0, count: World.hostsMax(plan)))
        checks = Checker(plan: plan)
        log.sink = sink
        found()
    }

    /// Clones come on top of the plan's hosts.
    static func hostsMax(_ plan: Plan) -> Int { plan.hosts + Plan.hostsMax }

    private mutating func found() {
        for number in 0..<plan.hosts { addHost(named: "host-\(number)", vtep: UInt32(number)) }
        for number in 0..<plan.applications { addApplication(number) }
        startCoordinator()
        for host in hosts.indices { queue.put(.agentStart, host, at: networkDice.time(0, Time.second)) }
        for host in 0..<plan.hosts { addSlots(on: host) }
        queue.put(.operate, 0, at: 200 * Time.millisecond)
        queue.put(.packet, 0, at: Time.second)
        if let mean = plan.lives.journeyMean {
            queue.put(.migrate, 0, at: 5 * Time.second + journeyDice.wait(mean: mean))
        }
        if !plan.faults.isEmpty { queue.put(.fault, -1, at: 3 * Time.second) }
    }

    mutating func addHost(named name: String, vtep: UInt32) {
        guard let id = HostID(name) else { return }
        let index = hosts.count
        let endpoint = IPAddress.v4(IPv4Address(192 << 24 | 168 << 16 | vtep + 1))
        clocks.bootZero[index] = now - identityDice.time(Time.second, 500 * Time.second)
        hosts.append(
            Host(
                name: id, index: index, vtep: endpoint, addresses: [endpoint],
                fingerprint: "machine-\(index)", boot: BootID(identityDice.uuid())))
    }

    mutating func violate(_ invariant: Int, _ text: String) {
        guard violation == nil else { return }
        let found = Violation(invariant: invariant, text: text, step: steps, at: now)
        violation = found
        trace("world", "VIOLATION", "\(found)")
    }

    // MARK: The loop

    /// Takes one event; false when nothing is left to happen.
    mutating func step() -> Bool {
        guard let event = queue.take() else { return false }
        now = event.at
        steps += 1
        let subject = Int(event.subject)
        switch event.kind {
        case .up: arriveUp(subject)
        case .down: arriveDown(subject)
        case .keepalive: keepalive(subject)
        case .dial, .echo, .journalSync, .kernelWork, .reaper, .outcome, .agentTick, .audit:
            agentEvent(event.kind, on: subject, number: event.ticket)
        case .agentStart: startAgent(on: subject)
        case .hostBoot: boot(subject)
        case .storeSync: storeSynced(by: subject)
        case .coordinatorTick: coordinatorTick(subject)
        case .coordinatorStart: startCoordinatorIfNone()
        case .client: clientActs(subject, ticket: event.ticket)
        case .packet: sendPacket()
        case .operate: operate(isExtra: event.ticket > 0)
        case .migrate: migrateSomebody()
        case .journey: travel(subject, ticket: event.ticket)
        case .fault: beginFault()
        case .heal: endFault(subject)
        case .breakStream: if !isDoubled(subject) { dropStream(of: subject, noticeMax: 50 * Time.millisecond) }
        case .poll: poll()
        }
        if !checks.touched.isEmpty { checkTouched() }
        if steps % plan.fullCheckEvery == 0 { checkInFull() }
        return violation == nil && phase != .done
    }

    /// Events meant for one process of an agent: a later one never sees them, a stopped one sees them when it goes on.
    private mutating func agentEvent(_ kind: Event.Kind, on host: Int, number: UInt32) {
        guard let agent = hosts[host].agent?.number, agent == number else { return }
        if let until = hosts[host].agent?.pausedUntil, until > now {
            queue.put(kind, host, ticket: number, at: until)
            return
        }
        switch kind {
        case .dial: dial(from: host)
        case .journalSync: journalSynced(on: host)
        case .kernelWork: kernelWorks(on: host)
        case .reaper: reap(on: host)
        case .echo: hearEcho(on: host)
        case .outcome: takeOutcome(on: host)
        case .agentTick: agentTick(on: host)
        case .audit: audit(on: host)
        default: break
        }
    }
}
