import AgentCore
import FleetProtocol
import NetworkTypes

extension Rig {
    static func grant(_ identity: AgentIdentity = Rig.identity, interval: Duration = .seconds(10)) -> BootGrant {
        BootGrant(
            identity: identity, bindUntil: .seconds(3600), overlay: .standard, overlayMTU: 1450, vxlanPort: 4789,
            cooldown: .seconds(60), aggregateInterval: interval)
    }

    static func block(_ first: UInt32, _ size: Int = 4) -> SNIBlock {
        SNIBlock(first: SessionNetworkID(unchecked: first), size: size).unsafelyKnown
    }

    static func vm(_ number: Int, nic: Int = 0) -> VMInterface {
        VMInterface(vm: "vm\(number)", nic: nic).unsafelyKnown
    }

    static func lease(
        _ first: UInt32, size: Int = 4, _ application: ApplicationID = Rig.appA, epoch: UInt64 = 1, staged: Bool = true,
        marked: Bool = false, force: Bool = false, fromReserved: Bool = true
    ) -> StateOperation {
        .setLease(
            LeaseOrder(
                block: block(first, size), application: application, epoch: Epoch(epoch), staged: staged,
                marked: marked,
                force: force, fromReserved: fromReserved))
    }

    static func position(_ revision: UInt64, term: UInt64 = 1) -> Position {
        Position(generation: 1, term: term, revision: revision)
    }

    /// Connected, granted, with these leases as snapshot.
    static func ready(_ operations: [StateOperation] = [lease(0x1000)], recordsPerCheckpoint: Int = 8192) -> Rig {
        var rig = Rig(recordsPerCheckpoint: recordsPerCheckpoint)
        rig.start()
        rig.connect()
        rig.snapshot(1, operations)
        return rig
    }

    mutating func connect() {
        feed(.connected)
        feed(.message(Rig.position(1), .bootGrant(Rig.grant(identity))))
        settle()
    }

    mutating func snapshot(_ revision: UInt64, _ operations: [StateOperation]) {
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: operations)
        feed(.message(Rig.position(revision), .stateUpdate(update)))
        settle()
    }

    mutating func delta(_ revision: UInt64, base: UInt64? = nil, _ operations: [StateOperation]) {
        submitDelta(revision, base: base, operations)
        settle()
    }

    mutating func submitDelta(_ revision: UInt64, base: UInt64? = nil, _ operations: [StateOperation]) {
        let update = StateUpdate(isSnapshot: false, baseRevision: base ?? revision - 1, operations: operations)
        feed(.message(Rig.position(revision), .stateUpdate(update)))
    }

    mutating func request() -> RequestID {
        nextRequest += 1
        return RequestID(nextRequest)
    }

    mutating func submitAttach(
        _ interface: VMInterface, _ application: ApplicationID = Rig.appA, mac: MACAddress? = nil,
        port: PortRequest = .tap(owner: nil, group: nil), timeout: Duration? = nil
    ) -> RequestID {
        let id = request()
        feed(
            .attach(
                id,
                AttachRequest(
                    application: application, interface: interface, mac: mac, port: port, timeout: timeout)))
        return id
    }

    mutating func attach(
        _ interface: VMInterface, _ application: ApplicationID = Rig.appA, mac: MACAddress? = nil,
        port: PortRequest = .tap(owner: nil, group: nil), timeout: Duration? = nil
    ) -> Result<AgentReply, AgentError>? {
        let id = submitAttach(interface, application, mac: mac, port: port, timeout: timeout)
        settle()
        return replies[id]
    }

    mutating func submitDetach(_ interface: VMInterface, hold: Duration? = nil) -> RequestID {
        let id = request()
        feed(.detach(id, interface, hold: hold))
        return id
    }

    mutating func detach(_ interface: VMInterface, hold: Duration? = nil) -> Result<AgentReply, AgentError>? {
        let id = submitDetach(interface, hold: hold)
        settle()
        return replies[id]
    }

    /// Of a copy, so that asking changes nothing.
    var status: AgentStatus? {
        var copy = self
        let id = copy.request()
        copy.feed(.status(id))
        guard case .success(.status(let status))? = copy.replies[id] else { return nil }
        return status
    }

    var drainAnswers: [DrainAnswer] {
        sent.compactMap { if case .drainAnswer(let answer) = $0 { answer } else { nil } }
    }
    var leaseRequests: [LeaseRequest] {
        sent.compactMap { if case .leaseRequest(let request) = $0 { request } else { nil } }
    }
    var acknowledgements: [Position] {
        sent.compactMap { if case .stateAck(let position) = $0 { position } else { nil } }
    }
    var reportedEvents: [BindingRecord] {
        sent.flatMap { if case .bindingReport(let report) = $0 { report.events } else { [BindingRecord]() } }
    }
    var aggregates: [Aggregates] {
        sent.compactMap { if case .aggregates(let batch) = $0 { batch } else { nil } }
    }
    var hellos: [Hello] { sent.compactMap { if case .hello(let hello) = $0 { hello } else { nil } } }
}

extension Result where Success == AgentReply, Failure == AgentError {
    var attachment: AttachAnswer? { if case .success(.attached(let answer)) = self { answer } else { nil } }
    var error: AgentError? { if case .failure(let error) = self { error } else { nil } }
}
