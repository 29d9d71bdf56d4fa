import LocalAPI
public import NetworkTypes
import SimulationKit

/// Launches and stops VMs through the agents' sockets, exactly as a hypervisor's hook would.
public actor Launcher {
    public let cluster: Cluster
    /// Where launches take an interface first, when there is one.
    private let pool: WarmPool?
    private var free: [VMSlot]
    public private(set) var live: [String: LaunchedMachine] = [:]
    /// VMs that an experiment or a probe needs: they are not stopped.
    private var pins: [String: Int] = [:]
    /// Names of VMs whose launch is under way.
    private var launching: Set<String> = []
    private var stopping: Set<String> = []
    private var deferred: Set<String> = []
    private let seed: UInt64
    private var generator: SeededGenerator
    private var number = 0
    private var extra = 0

    private var day = 0
    public private(set) var records: [LaunchRecord] = []
    /// Launches that an agent refused, with its words.
    public private(set) var failures: [String] = []
    /// Launches whose first reply never came.
    public private(set) var silent: [String] = []

    private static let replyTimeout = Duration.seconds(3)

    /// - Parameters:
    ///   - slots: namespaces for VMs; a launch without a free one fails.
    ///   - seed: of the choice of hosts and of peers.
    public init(_ cluster: Cluster, slots: [VMSlot], seed: UInt64, pool: WarmPool? = nil) {
        self.cluster = cluster
        self.pool = pool
        free = slots
        self.seed = seed
        generator = SeededGenerator(seed: seed)
    }

    // MARK: Counting

    /// Launches from now on count for this day.
    public func beginDay(_ number: Int) { day = number }

    public var liveCount: Int { live.count }
    public func countsByApplication() -> [ApplicationID: Int] {
        live.values.reduce(into: [:]) { $0[$1.application.id, default: 0] += 1 }
    }

    // MARK: Launch

    /// Launches one VM and probes a VM of the same application on another host until the first reply.
    ///
    /// - Returns: nil when it failed; ``failures`` says why.
    @discardableResult
    public func launch(
        _ application: FleetApplication, name: String, on chosen: Int? = nil, timeout: Duration = .seconds(5)
    ) async -> LaunchedMachine? {
        guard let slot = free.popLast() else {
            failures.append("no namespace left for \(name)")
            return nil
        }
        let host = chosen ?? pickHost(application, for: name)
        let taken = await pool?.take(application, host: host)
        let interface = taken ?? name
        number += 1
        launching.insert(name)
        let peer = pinPeer(of: application, notOn: host)
        // Both families take their turn.
        let peerAddress = number.isMultiple(of: 2) ? peer?.ipv6 : peer?.ipv4
        let socket = AgentSocket(path: cluster.hosts[host].socket)
        defer {
            launching.remove(name)
            if let peer { unpin(peer) }
        }
        do {
            let outcome = try await offload { () throws(KitError) in
                let started = ContinuousClock.now
                let attachment = try socket.attach(
                    application: application.id, vm: interface, into: slot, timeout: timeout)
                let attached = ContinuousClock.now
                try slot.configure(attachment.addressing)
                let replied = peerAddress.flatMap {
                    slot.echo(for: $0).firstReply(from: $0, timeout: Self.replyTimeout)
                }
                return Outcome(attachment: attachment, started: started, attached: attached, replied: replied)
            }
            let machine = LaunchedMachine(
                name: name, application: application, host: host, slot: slot, attachment: outcome.attachment,
                interface: interface)
            live[name] = machine
            records.append(
                LaunchRecord(
                    day: day, application: application.name, host: host, sni: outcome.attachment.sni,
                    servedFrom: outcome.attachment.servedFrom, warm: taken != nil, started: outcome.started,
                    attached: outcome.attached, replied: outcome.replied,
                    family: number.isMultiple(of: 2) ? "ipv6" : "ipv4"))
            if let peerAddress, outcome.replied == nil {
                silent.append("\(name) on h\(host + 1) (\(outcome.attachment.servedFrom)) from \(peerAddress)")
            }
            if taken != nil { await pool?.add(application, host: host) }
            return machine
        } catch {
            failures.append("\(name) on h\(host + 1): \(error)")
            await release(name: interface, slot: slot, socket: socket)
            return nil
        }
    }

    /// A host by the application's weights: the same for a name in every run of a seed, whatever happened before.
    public func pickHost(_ application: FleetApplication, for name: String) -> Int {
        // FNV-1a, 64 bits.
        let stream = name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        var generator = SeededGenerator(seed: seed).fork(stream)
        var left = generator.unit() * application.weights.reduce(0, +)
        for (index, weight) in application.weights.enumerated() {
            left -= weight
            if left < 0 { return index }
        }
        return application.weights.count - 1
    }

    private struct Outcome: Sendable {
        let attachment: Attachment
        let started: ContinuousClock.Instant
        let attached: ContinuousClock.Instant
        let replied: ContinuousClock.Instant?
    }

    private func release(name: String, slot: VMSlot, socket: AgentSocket) async {
        // Detach of an unknown VM is harmless; a launch that failed half way must not keep its namespace busy.
        try? await offload { () throws(KitError) in try socket.detach(vm: name) }
        free.insert(slot, at: 0)
    }

    // MARK: Stop

    /// Stops a VM, or notes that it is to stop as soon as its launch is over and no experiment needs it.
    public func stop(name: String) async {
        if let machine = live[name], pins[name] == nil {
            await stop(machine)
        } else if live[name] != nil || launching.contains(name) {
            deferred.insert(name)
        }
    }

    /// Stops those whose stop had to wait.
    public func stopDeferred() async {
        for name in deferred.sorted() {
            guard let machine = live[name] else {
                // Its launch is still under way, or failed.
                if !launching.contains(name) { deferred.remove(name) }
                continue
            }
            guard pins[name] == nil else { continue }
            deferred.remove(name)
            await stop(machine)
        }
    }

    /// Detaches one VM; its namespace is free again.
    public func stop(_ machine: LaunchedMachine) async {
        guard live[machine.name] != nil, stopping.insert(machine.name).inserted else { return }
        let socket = AgentSocket(path: cluster.hosts[machine.host].socket)
        do {
            try await offload { () throws(KitError) in try socket.detach(vm: machine.interface) }
        } catch {
            failures.append("detach of \(machine.name): \(error)")
        }
        live[machine.name] = nil
        stopping.remove(machine.name)
        free.insert(machine.slot, at: 0)
    }

    public func stopAll() async {
        for machine in live.values.sorted(by: { $0.name < $1.name }) { await stop(machine) }
    }

    // MARK: VMs for experiments

    private func pinPeer(of application: FleetApplication, notOn host: Int) -> LaunchedMachine? {
        let peers = live.values.filter {
            $0.application == application && $0.host != host && !stopping.contains($0.name)
        }.sorted { $0.name < $1.name }
        guard !peers.isEmpty else { return nil }
        let peer = peers[generator.integer(in: 0...peers.count - 1)]
        pin(peer)
        return peer
    }

    public func pin(_ machine: LaunchedMachine) { pins[machine.name, default: 0] += 1 }
    public func unpin(_ machine: LaunchedMachine) {
        guard let count = pins[machine.name] else { return }
        pins[machine.name] = count > 1 ? count - 1 : nil
    }

    /// A running VM of the application on the host, pinned; launched when there is none.
    public func machine(of application: FleetApplication, on host: Int) async throws(KitError) -> LaunchedMachine {
        let present = live.values.filter {
            $0.application == application && $0.host == host && !stopping.contains($0.name)
        }.min { $0.name < $1.name }
        if let present {
            pin(present)
            return present
        }
        extra += 1
        guard let launched = await launch(application, name: "\(application.name)-x\(extra)", on: host) else {
            throw .unexpected("no VM of \(application.name) on h\(host + 1): \(failures.last ?? "")")
        }
        pin(launched)
        return launched
    }
}
