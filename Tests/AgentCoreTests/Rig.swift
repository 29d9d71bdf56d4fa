import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes
import Testing

/// A shell in miniature: a disk that syncs when told, a kernel that keeps ports, a wire that is written down. Checks the
/// order of durability at every effect.
struct Rig {
    static let appA = ApplicationID(UUID128(high: 0xA, low: 1))
    static let appB = ApplicationID(UUID128(high: 0xB, low: 1))
    static let identity = AgentIdentity(
        host: HostID("h1").unsafelyKnown, incarnation: Incarnation(UUID128(high: 1, low: 1)),
        boot: BootID(UUID128(high: 2, low: 1)))

    var machine: AgentMachine
    var identity: AgentIdentity
    var now = Instant(nanoseconds: 1_000_000_000_000)
    var seed: UInt64 = 1
    let recordsPerCheckpoint: Int

    var disk: [JournalEntry] = []
    var journalQueue: [AgentEffect] = []
    var kernelQueue: [AgentEffect] = []
    var ports: [SessionNetworkID: AdoptedPort] = [:]
    var openPorts: Set<SessionNetworkID> = []
    var localBlocks: Set<SNIBlock> = []
    var remoteBlocks: Set<SNIBlock> = []
    /// Routes in the kernel that no process since has known of.
    var strays: Set<SNIBlock> = []
    var standbyPorts: Set<SessionNetworkID> = []
    var standbyRoutes: Set<SNIBlock> = []
    var forwarded: [SessionNetworkID: SNIBlock] = [:]
    /// Former endpoints of remote blocks.
    var formers: [SNIBlock: IPAddress] = [:]
    /// What it was told last to send from.
    var endpoint: IPAddress?
    var appliedUpdates: Position = .zero
    var sent: [AgentMessage] = []
    var replies: [RequestID: Result<AgentReply, AgentError>] = [:]
    var notices: [AgentNotice] = []
    var reconnects = 0
    var overlays: [DeletionScope] = []
    var kept: [BacklogRecord] = []
    var echoes: [(targets: [IPAddress], round: UInt64)] = []
    var nextRequest: UInt64 = 0
    var nextIndex = 10
    var nextPortFailure: PortFailure?
    var nextDeletionFailure: PortFailure?
    var nextDataplaneFailure: String?
    var unapplied: [DataplaneChange] = []
    var problems: [String] = []
    /// When an identifier's port went, for the cooldown.
    var freedAt: [SessionNetworkID: Instant] = [:]
    var drainedOnDisk: [SNIBlock: Epoch] = [:]

    /// What the kernel sends from at start, where that is not the endpoint of the configuration.
    let former: IPAddress?
    let echoInterval: Duration?

    init(
        recordsPerCheckpoint: Int = 8192, identity: AgentIdentity = Rig.identity, former: IPAddress? = nil,
        echoInterval: Duration? = nil
    ) {
        self.recordsPerCheckpoint = recordsPerCheckpoint
        self.identity = identity
        self.former = former
        self.echoInterval = echoInterval
        machine = Rig.fresh(
            seed: 1, recordsPerCheckpoint: recordsPerCheckpoint, identity: identity, former: former,
            echoInterval: echoInterval)
    }

    static let vtep = IPAddress.v4(IPv4Address(0x0A00_0001))

    static func fresh(
        seed: UInt64, recordsPerCheckpoint: Int, identity: AgentIdentity, former: IPAddress? = nil,
        echoInterval: Duration? = nil
    ) -> AgentMachine {
        AgentMachine(
            configuration: AgentCoreConfiguration(
                fingerprint: "f", vtep: vtep, former: former, underlayMTU: 1500, version: "test",
                aggregatesKeptMax: 4, recordsPerCheckpoint: recordsPerCheckpoint, echoInterval: echoInterval),
            identity: identity, randomSeed: seed)
    }

    // MARK: Time and the process

    mutating func advance(_ by: Duration) {
        now = now + by
        feed(.tick)
    }

    /// The process dies: what was not synced or not done in the kernel never happens.
    mutating func crash(journalLost: Bool = false) {
        seed += 1
        journalQueue = []
        kernelQueue = []
        // The desired state is the process's; the rig starts it over to see that recovery says it whole.
        unapplied = []
        openPorts = []
        standbyPorts = []
        standbyRoutes = []
        forwarded = [:]
        localBlocks = []
        remoteBlocks = []
        formers = [:]
        if journalLost { disk = [] }
        machine = Rig.fresh(
            seed: seed, recordsPerCheckpoint: recordsPerCheckpoint, identity: identity,
            former: endpoint == Rig.vtep ? nil : former, echoInterval: echoInterval)
        // Records travel through their bytes, as they do in the product.
        var entries: [JournalEntry] = []
        for entry in disk {
            guard let record = try? JournalRecord(decoding: entry.record.encoded()), record == entry.record else {
                problems.append("record \(entry) does not survive its encoding")
                continue
            }
            entries.append(JournalEntry(sequence: entry.sequence, record: record))
        }
        let found = ports.values.sorted { $0.sni < $1.sni }
        perform(machine.recover(entries, kernelPorts: found, journalLost: journalLost, at: now))
    }

    mutating func start() { perform(machine.recover([], kernelPorts: [], journalLost: false, at: now)) }

    mutating func feed(_ input: AgentInput) {
        let effects = machine.handle(input, at: now)
        // What is kept in order is what a walk through everything finds, after whatever comes in.
        if let disagreement = machine.disagreement { problems.append("\(input): \(disagreement)") }
        perform(effects)
    }

    mutating func perform(_ effects: [AgentEffect]) {
        for effect in effects {
            switch effect {
            case .journal, .checkpoint: journalQueue.append(effect)
            case .createPort(let order, _):
                require(binding(on: disk, of: order.port.sni) == order.port.interface, "port before its record")
                kernelQueue.append(effect)
            case .dataplane, .movePort, .deletePort: kernelQueue.append(effect)
            case .ensureOverlay(_, let deletes):
                overlays.append(deletes)
                kernelQueue.append(effect)
            case .send(let message):
                check(message)
                sent.append(message)
            case .reconnect: reconnects += 1
            case .reply(let request, let result):
                check(result)
                require(replies[request] == nil, "two replies to \(request)")
                replies[request] = result
            case .keep(let record): kept.append(record)
            case .echo(let targets, let round): echoes.append((targets, round))
            case .notice(let notice): notices.append(notice)
            }
        }
    }

    mutating func require(_ condition: Bool, _ text: String) {
        if !condition { problems.append(text) }
    }

    /// Everything that waits is done, oldest first, until nothing waits.
    mutating func settle() {
        while !journalQueue.isEmpty || !kernelQueue.isEmpty {
            while !journalQueue.isEmpty { stepJournal() }
            if !kernelQueue.isEmpty { stepKernel() }
        }
    }

    mutating func stepJournal() {
        guard !journalQueue.isEmpty else { return }
        switch journalQueue.removeFirst() {
        case .journal(let records, let first, let token):
            require(first == lastSequence + 1, "sequence \(first) out of order")
            for (offset, record) in records.enumerated() { write(record, first + UInt64(offset)) }
            feed(.journaled(token))
        case .checkpoint(let record, let sequence):
            require(sequence == lastSequence + 1, "checkpoint out of order")
            disk = [JournalEntry(sequence: sequence, record: record)]
        default: break
        }
    }

    private mutating func write(_ record: JournalRecord, _ sequence: UInt64) {
        if case .bound(let bound) = record {
            let sni = bound.binding.sni
            for (block, epoch) in drainedOnDisk where block.contains(sni) {
                require(bound.binding.epoch > epoch, "bound \(sni) at \(bound.binding.epoch), drained at \(epoch)")
            }
            if let freed = freedAt[sni], !isHeld(sni) {
                require(now - freed >= .seconds(60), "\(sni) bound before its cooldown")
            }
            let before = replayed(disk).bindings.first { $0.binding.sni == sni }
            let isResumed = before?.binding.state == .held && before?.binding.interface == bound.binding.interface
            require(before == nil || isResumed, "\(sni) bound twice")
        }
        if case .drained(let block, let epoch) = record { drainedOnDisk[block] = epoch }
        disk.append(JournalEntry(sequence: sequence, record: record))
    }

    mutating func stepKernel() {
        guard !kernelQueue.isEmpty else { return }
        switch kernelQueue.removeFirst() {
        case .dataplane(let changes, let token):
            // What failed stays desired and goes in with the next change.
            unapplied += changes
            if let reason = nextDataplaneFailure {
                nextDataplaneFailure = nil
                feed(.dataplaneApplied(token, .failure(DataplaneFailure(reason: reason))))
                return
            }
            for change in unapplied { carry(change) }
            unapplied = []
            feed(.dataplaneApplied(token, .success(())))
        case .createPort(let order, let token): make(order.port, token)
        case .movePort(let move, let token): make(move.port, token)
        case .deletePort(_, let token) where nextDeletionFailure != nil:
            guard let failure = nextDeletionFailure else { return }
            nextDeletionFailure = nil
            feed(.portDeleted(token, .failure(failure)))
        case .deletePort(let removal, let token):
            require(!openPorts.contains(removal.sni), "port \(removal.sni) deleted while it may speak")
            ports[removal.sni] = nil
            freedAt[removal.sni] = now
            feed(.portDeleted(token, .success(())))
        case .ensureOverlay(_, let deletes): if deletes != .nothing { strays = [] }
        default: break
        }
    }

    private mutating func make(_ port: Port, _ token: Token) {
        if let failure = nextPortFailure {
            nextPortFailure = nil
            feed(.portCreated(token, .failure(failure)))
            return
        }
        require(ports[port.sni] == nil, "port \(port.sni) made twice")
        nextIndex += 1
        ports[port.sni] = AdoptedPort(
            sni: port.sni, index: nextIndex, interface: port.interface, application: port.application, mac: port.mac)
        feed(.portCreated(token, .success(PortFacts(index: nextIndex))))
    }

    private mutating func carry(_ change: DataplaneChange) {
        switch change {
        case .setPort(let port):
            require(ports[port.sni] != nil, "port \(port.sni) opened before it is there")
            require(localBlocks.contains(port.block), "port \(port.sni) opened before its block")
            if port.standby {
                require(!openPorts.contains(port.sni), "port \(port.sni) closed while its VM speaks")
                standbyPorts.insert(port.sni)
            } else {
                openPorts.insert(port.sni)
                standbyPorts.remove(port.sni)
            }
        case .removePort(let sni):
            openPorts.remove(sni)
            standbyPorts.remove(sni)
        case .setLocalBlock(let block): localBlocks.insert(block.block)
        case .removeLocalBlock(let block):
            require(!openPorts.contains { block.contains($0) }, "block \(block) taken from under a port")
            localBlocks.remove(block)
        case .setRemoteBlock(let remote):
            remoteBlocks.insert(remote.block)
            formers[remote.block] = remote.former
            if remote.standby { standbyRoutes.insert(remote.block) } else { standbyRoutes.remove(remote.block) }
        case .removeRemoteBlock(let block):
            remoteBlocks.remove(block)
            standbyRoutes.remove(block)
        case .setEndpoint(let vtep): endpoint = vtep
        case .setForwarding(let forwarding): forwarded[forwarding.sni] = forwarding.block
        case .removeForwarding(let sni): forwarded[sni] = nil
        case .setScope, .removeScope: break
        }
    }

    private func isHeld(_ sni: SessionNetworkID) -> Bool {
        replayed(disk).bindings.first { $0.binding.sni == sni }?.binding.state == .held
    }

    var lastSequence: UInt64 { disk.last?.sequence ?? 0 }

    // MARK: Order of durability

    private mutating func check(_ result: Result<AgentReply, AgentError>) {
        guard case .success(.attached(let answer)) = result else { return }
        require(binding(on: disk, of: answer.sni) != nil, "answered \(answer.sni) before the disk knew")
    }

    private mutating func check(_ message: AgentMessage) {
        switch message {
        case .drainAnswer(let answer) where answer.outcome == .drained:
            let known = drainedOnDisk[answer.block] == answer.epoch
            require(known, "drained \(answer.block) answered before the disk knew")
        case .stateAck(let position):
            let durable = replayed(disk).position
            require(durable >= position, "acknowledged \(position), the disk has \(durable)")
            require(strays.isEmpty, "acknowledged \(position) with stray routes")
        case .bindingReport(let report):
            require(report.journalSequence <= (disk.last?.sequence ?? 0), "reported before the disk knew")
        default: break
        }
    }

    /// What the disk says, read in the plainest way.
    func replayed(_ disk: [JournalEntry]) -> Checkpoint {
        var state = Checkpoint()
        for entry in disk {
            switch entry.record {
            case .checkpoint(let whole): state = whole
            case .update(let position, _): state.position = position
            case .bound(let bound):
                state.bindings.removeAll { $0.binding.sni == bound.binding.sni && $0.binding.state == .held }
                state.bindings.append(bound)
            case .held(let sni, _):
                for index in state.bindings.indices where state.bindings[index].binding.sni == sni {
                    state.bindings[index].binding.state = .held
                }
            case .unbound(let sni):
                for index in state.bindings.indices where state.bindings[index].binding.sni == sni {
                    state.bindings[index].binding.state = .cooling
                }
            case .ended(let sni): state.bindings.removeAll { $0.binding.sni == sni }
            default: break
            }
        }
        return state
    }

    /// Interface that holds an identifier (bound or cooling) on the disk.
    func binding(on disk: [JournalEntry], of sni: SessionNetworkID) -> VMInterface? {
        replayed(disk).bindings.first { $0.binding.sni == sni }?.binding.interface
    }
}

extension Optional {
    /// For literals that are valid by sight.
    var unsafelyKnown: Wrapped {
        guard let self else { preconditionFailure("literal is not valid") }
        return self
    }
}
