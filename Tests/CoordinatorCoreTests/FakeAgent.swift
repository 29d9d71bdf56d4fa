import FleetProtocol
import NetworkTypes

@testable import CoordinatorCore

/// A scripted host agent: keeps the state that it was told, refuses what a real one refuses, and acknowledges on order.
struct FakeAgent {
    let identity: AgentIdentity
    var vtep: IPAddress
    /// What its kernel sends from, while that is not `vtep`.
    var former: IPAddress?
    var fingerprint = "machine"
    var mtu = 1500
    var stream: StreamID?
    var isGranted = false
    var refusal: String?
    var position = Position.zero
    var revision: UInt64?
    var scopes: [ApplicationID: ScopeState] = [:]
    var leases: [SNIBlock: LeaseOrder] = [:]
    var remotes: [SNIBlock: RemoteBlock] = [:]
    var bindings: [SessionNetworkID: BindingRecord] = [:]
    var answers: [UInt64: LeaseAnswer.Outcome] = [:]
    var journal: UInt64 = 0
    var reported: UInt64 = 0
    var aggregate: UInt64 = 0
    var acknowledgedAggregate: UInt64 = 0
    var recovering = false
    /// Code of the last order to bind nothing; nil after a grant.
    var stopped: String?
    /// The last snapshot asked for what it takes away to be withdrawn.
    var withdraws = false
    var dropped: Set<IPAddress> = []
    var departures: [SessionNetworkID: Departure] = [:]
    /// Blocks that its next hello names as drained.
    var drained: Set<SNIBlock> = []
    /// What went wrong with the updates; must stay empty.
    var complaints: [String] = []

    init(_ name: String, number: UInt32) {
        guard let host = HostID(name) else { preconditionFailure("bad host name \(name)") }
        identity = AgentIdentity(
            host: host, incarnation: Incarnation(UUID128(high: 0x1, low: UInt64(number))),
            boot: BootID(UUID128(high: 0xB, low: UInt64(number))))
        vtep = .v4(IPv4Address(0x0A00_0000 | number))
    }

    /// The same machine after a reboot.
    init(_ agent: FakeAgent, boot: UInt64) {
        self.init(
            identity: AgentIdentity(
                host: agent.identity.host, incarnation: agent.identity.incarnation,
                boot: BootID(UUID128(high: 0xB0, low: boot))), vtep: agent.vtep)
    }

    init(identity: AgentIdentity, vtep: IPAddress) {
        self.identity = identity
        self.vtep = vtep
    }

    var hello: Hello {
        Hello(
            fingerprint: fingerprint, vtep: vtep, underlayMTU: mtu, position: position, journalSequence: journal,
            version: "test",
            leases: leases.values.map {
                LeaseRecord(
                    block: $0.block, application: $0.application, epoch: $0.epoch, drained: drained.contains($0.block),
                    awaitsArrival: $0.incoming != nil)
            },
            bindings: Array(bindings.values), recovering: recovering, aggregateSequence: aggregate + 1,
            former: former)
    }

    mutating func receive(_ message: CoordinatorMessage, at position: Position) {
        if position < self.position { complaints.append("\(position) is below \(self.position)") }
        switch message {
        case .bootGrant(let grant):
            isGranted = grant.identity == identity
            stopped = nil
        case .bindingStop(let grant, let code, _):
            if grant.identity != identity { complaints.append("stop for \(grant.identity)") }
            isGranted = false
            stopped = code
        case .bootRefusal(let code, _): refusal = code
        case .stateUpdate(let update): take(update, at: position)
        case .leaseAnswer(let answer):
            if case .granted(let block) = answer.outcome, leases[block] == nil {
                complaints.append("\(block) was granted before its lease was told")
            }
            answers[answer.request] = answer.outcome
        case .reportAck(let journal, let aggregate):
            reported = journal
            acknowledgedAggregate = aggregate
        }
    }

    private mutating func take(_ update: StateUpdate, at position: Position) {
        if update.isSnapshot {
            scopes = [:]
            leases = [:]
            remotes = [:]
            dropped = []
            departures = [:]
            withdraws = update.withdraw
            if update.withdraw { bindings = [:] }
        } else if update.baseRevision != revision {
            complaints.append("update on \(update.baseRevision), held \(String(describing: revision))")
        }
        revision = position.revision
        self.position = position
        for operation in update.operations { take(operation) }
    }

    private mutating func take(_ operation: StateOperation) {
        switch operation {
        case .setScope(let scope): scopes[scope.application] = scope
        case .removeScope(let id): if scopes.removeValue(forKey: id) == nil { complaints.append("no scope \(id)") }
        case .setLease(let lease):
            if let old = leases[lease.block], old.epoch > lease.epoch {
                complaints.append("epoch of \(lease.block) fell")
            }
            leases[lease.block] = lease
        case .removeLease(let block, let epoch):
            guard let old = leases.removeValue(forKey: block) else { return complaints.append("no lease \(block)") }
            if epoch < old.epoch { complaints.append("removal of \(block) is stale") }
        case .setRemote(let remote):
            if scopes[remote.application] == nil { complaints.append("remote \(remote.block) without a scope") }
            remotes[remote.block] = remote
        case .removeRemote(let block, let epoch):
            guard let old = remotes.removeValue(forKey: block) else { return complaints.append("no remote \(block)") }
            if epoch < old.epoch { complaints.append("removal of remote \(block) is stale") }
        case .dropEndpoint(let vtep): dropped.insert(vtep)
        case .admitEndpoint(let vtep):
            if dropped.remove(vtep) == nil { complaints.append("\(vtep) was not dropped") }
        case .switchEndpoint(let endpoint):
            if endpoint != vtep { complaints.append("told to send from \(endpoint)") }
            former = nil
        case .setDeparture(let departure): departures[departure.sni] = departure
        case .removeDeparture(let sni, _):
            if departures.removeValue(forKey: sni) == nil { complaints.append("\(sni) was not departing") }
        }
    }
}

/// A coordinator, its store and its agents, driven by hand.
final class Fleet {
    var machine: CoordinatorMachine
    var log: [CoordinatorEvent] = []
    var agents: [HostID: FakeAgent] = [:]
    var now = Instant(nanoseconds: 0)
    var replies: [UInt64: Result<Reply, CoordinatorError>] = [:]
    var notices: [Notice] = []
    var closed: [StreamID] = []
    private var lastRequest: UInt64 = 0
    private var lastStream: UInt64 = 0
    let configuration: CoordinatorConfiguration

    static let seconds = CoordinatorConfiguration(
        pool: [SNIRange(unchecked: 4096, count: 65_536)], aggregateInterval: .seconds(1),
        decisionInterval: .seconds(1000), leadTime: .seconds(1), horizons: [.seconds(30), .seconds(60)],
        cooldown: .seconds(5), quarantine: .seconds(10), reservationLifetime: .seconds(5000),
        standardLifetime: .seconds(500), unreachableAfter: .seconds(20), drainTimeout: .seconds(15))

    init(_ configuration: CoordinatorConfiguration = Fleet.seconds, hosts: Int = 3) throws {
        self.configuration = configuration
        machine = try CoordinatorMachine(configuration: configuration, randomSeed: 42)
        perform(machine.recovered(at: now))
        for number in 0..<hosts {
            let agent = FakeAgent("host-\(number)", number: UInt32(number + 1))
            agents[agent.identity.host] = agent
        }
    }

    var names: [HostID] { agents.keys.sorted() }

    func perform(_ effects: [CoordinatorEffect]) {
        for effect in effects {
            switch effect {
            case .persist(let events): log += events
            case .send(let stream, let position, let message):
                for host in names where agents[host]?.stream == stream {
                    agents[host]?.receive(message, at: position)
                }
            case .close(let stream, _):
                closed.append(stream)
                for host in names where agents[host]?.stream == stream { agents[host]?.stream = nil }
            case .reply(let request, let result): replies[request.rawValue] = result
            case .notice(let notice): notices.append(notice)
            }
        }
    }

    func input(_ input: CoordinatorInput) { perform(machine.handle(input, at: now)) }

    func command(_ command: Command) -> Result<Reply, CoordinatorError> {
        lastRequest += 1
        input(.command(RequestID(lastRequest), command))
        return replies[lastRequest] ?? .failure(.notReady)
    }

    func pass(_ duration: Duration) {
        now = now + duration
        input(.tick)
    }

    func say(_ message: AgentMessage, from host: HostID) {
        guard let agent = agents[host], let stream = agent.stream else { return }
        input(.message(stream, agent.identity, message))
    }

    func connect(_ host: HostID) {
        lastStream += 1
        let stream = StreamID(lastStream)
        agents[host]?.stream = stream
        agents[host]?.isGranted = false
        agents[host]?.refusal = nil
        agents[host]?.revision = nil
        input(.connected(stream))
        if let agent = agents[host] { say(.hello(agent.hello), from: host) }
    }

    func disconnect(_ host: HostID) {
        guard let stream = agents[host]?.stream else { return }
        agents[host]?.stream = nil
        input(.disconnected(stream))
    }

    func acknowledge(_ host: HostID) {
        guard let agent = agents[host], agent.revision != nil else { return }
        say(.stateAck(agent.position), from: host)
    }

    /// Everybody applies and acknowledges until nothing moves.
    func quiesce() {
        for _ in 0..<4 { for host in names { acknowledge(host) } }
    }

    func start() {
        for host in names { connect(host) }
        quiesce()
    }

    func application(_ name: String, _ policy: ApplicationPolicy = ApplicationPolicy()) throws -> ApplicationID {
        guard case .application(let info) = try command(.createApplication(name: name, policy: policy, id: nil)).get()
        else { throw CoordinatorError.notReady }
        return info.id
    }

    /// A launch waits: asks for a block and returns it.
    func lease(_ application: ApplicationID, on host: HostID, request: UInt64) -> SNIBlock? {
        say(.leaseRequest(LeaseRequest(request: request, application: application, waiting: 1)), from: host)
        guard case .granted(let block) = agents[host]?.answers[request] else { return nil }
        return block
    }

    func bind(_ sni: SessionNetworkID, of application: ApplicationID, on host: HostID, state: BindingState)
        throws
    {
        guard var agent = agents[host], let interface = VMInterface(vm: "vm-\(sni)", nic: 0) else { return }
        agent.journal += 1
        let record = BindingRecord(
            sni: sni, interface: interface, application: application, state: state, servedFrom: .reserved,
            epoch: Epoch(1))
        agent.bindings[sni] = state == .ended ? nil : record
        agents[host] = agent
        say(.bindingReport(BindingReport(journalSequence: agent.journal, events: [record])), from: host)
    }

    func aggregate(
        _ host: HostID, _ parts: [(ApplicationID, vms: Int, launches: Int)], skip: UInt64 = 0, folded: Int = 1,
        observed: ObservedAggregate? = nil
    ) {
        agents[host]?.aggregate += 1 + skip
        guard let agent = agents[host] else { return }
        let applications = parts.map {
            ApplicationAggregate(
                application: $0.0, vms: $0.vms, peakVMs: $0.vms, cooling: 0, launches: $0.launches, stops: 0,
                misses: 0, waited: .zero, traffic: nil, observed: observed)
        }
        say(
            .aggregates(
                Aggregates(
                    sequence: agent.aggregate, interval: .seconds(1), endedAt: now, applications: applications,
                    folded: folded)),
            from: host)
    }

    /// The coordinator dies; another one starts from what was stored.
    func restart(fromSnapshot: Bool = false, restoredFromBackup: Bool = false) throws {
        let before = machine
        if fromSnapshot {
            machine = try CoordinatorMachine(
                restoring: before.snapshot(), configuration: configuration, randomSeed: 4711)
        } else {
            machine = try CoordinatorMachine(configuration: configuration, randomSeed: 4711)
            for event in log { machine.replay(event) }
        }
        for host in names { agents[host]?.stream = nil }
        perform(machine.recovered(at: now, restoredFromBackup: restoredFromBackup))
    }

    /// The coordinator dies; another one starts from the first `count` events of the store.
    func restore(backup count: Int) throws {
        log = Array(log.prefix(count))
        try restart(restoredFromBackup: true)
    }

    /// What the agents say about a mark of one of their blocks.
    func drain(_ block: SNIBlock, on host: HostID) {
        let epoch = agents[host]?.leases[block]?.epoch ?? Epoch(0)
        say(.drainAnswer(DrainAnswer(block: block, epoch: epoch, outcome: .drained)), from: host)
    }

    func state(of host: HostID) -> HostState? { machine.hosts(at: now).first { $0.id == host }?.state }
    var findings: [String] { machine.check(at: now).findings.map(\.code) }

    func lease(of block: SNIBlock) -> LeaseInfo? { try? machine.leases().first { $0.block == block } }
}
