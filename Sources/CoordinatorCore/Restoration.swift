import FleetProtocol
public import NetworkTypes
import SNISpace

/// A store that is older than what it ruled. What hosts hold is the truth; the book learns it before anything moves.
///
/// | state | event | next |
/// |---|---|---|
/// | in order | started as restored from a backup | restoring |
/// | in order | hello from a position that was never reached here | restoring; every host says hello again |
/// | restoring | hello: a block of the book that the host does not hold, or has drained | the block drains as if fenced |
/// | any | hello: a block that the book does not know | adopted where there is room; host frozen, reported |
/// | any | hello: a block that somebody else has in the book | its VMs run on; host frozen, reported |
/// | any | that block is past its quarantine there | adopted, in place of becoming free |
/// | restoring | every known host was heard, or an operator ends it | in order; grants for all that are not frozen |
///
/// While restoring, the generation is a new one, nothing is bound, reserved, leased, marked or freed, and no kernel is
/// changed: what hosts carry is newer than the book.
/// A host that is heard only after the end is compared as if it had been heard before.
extension CoordinatorMachine {
    /// A hello that knows more than the store does.
    mutating func suspectOldStore(_ hello: Hello) {
        let isAhead = hello.position > position && hello.position.generation < .max >> 1
        // An epoch is stored before anybody hears of it.
        let isUnknown =
            hello.position.generation == state.generation && hello.leases.contains { $0.epoch > state.book.epoch }
        guard isAhead || isUnknown, !state.restoration.isOn || isAhead else { return }
        notice(
            .error, "store-behind",
            isAhead
                ? "an agent has seen \(hello.position), the store is at \(position): it was restored from an old backup"
                : "an agent holds leases of epochs above \(state.book.epoch): the store was restored from an old backup"
        )
        beginRestoration(above: hello.position.generation)
        for (host, known) in live.hosts.sorted(by: { $0.key < $1.key }) {
            guard let stream = known.stream else { continue }
            live.streams[stream] = nil
            live.hosts[host]?.stream = nil
            live.hosts[host]?.reach = known.reach == .connected ? .away : .unreachable
            turn.early.append(.close(stream, reason: "the coordinator's store was restored; say hello again"))
        }
    }

    mutating func beginRestoration(above generation: UInt64) {
        commit(.generationRaised(max(generation, state.generation) + 1))
        commit(.restoration(.started))
    }

    /// Why nothing moves, nil when it does.
    var restorationStop: (code: String, reason: String)? {
        guard state.restoration.isOn else { return nil }
        let missing = state.restoration.awaited.sorted().map(\.description).joined(separator: ", ")
        return (
            "restoring",
            "the coordinator's store was restored from a backup; it waits for what these hosts hold: \(missing)"
        )
    }

    mutating func endRestoration(reason: String) throws(CoordinatorError) -> Reply {
        try checkAudit(reason)
        guard state.restoration.isOn else {
            throw .invalid(field: "restoration", why: "none is under way")
        }
        notice(.warning, "restoration-ended", "without \(state.restoration.awaited.sorted()): \(reason)")
        finishRestoration()
        return .check(check(at: now))
    }

    private mutating func finishRestoration() {
        commit(.restoration(.ended))
        // What was somebody else's may have been given up by a hello that came later. Only then it is known whose block is
        // around a single identifier.
        let hosts = live.hosts.keys.sorted()
        for host in hosts { adoptAgain(host) { $0.block.size > 1 } }
        for host in hosts { adoptAgain(host) }
        for host in hosts { forgetUnused(host) }
        awaitEverything()
        notice(.info, "restored", "the book agrees with what hosts hold")
        for host in live.hosts.keys.sorted() { regrant(host) }
        for lease in everyLease where lease.state == .marked {
            live.timers.arm(.drain(lease.block), at: now + configuration.drainTimeout)
        }
    }

    /// Compares what a host holds with what the book gives it.
    mutating func compareInventory(_ hello: Hello, of host: HostID) {
        if state.restoration.awaited.contains(host) {
            giveUpWhatIsGone(hello, of: host)
        }
        let unknown = hello.leases.filter { isUnknown($0, of: host) }
        var refused: [LeaseRecord] = []
        if !unknown.isEmpty {
            // A single one is a VM's, and VMs come with the bindings.
            for record in unknown where record.block.size == 1 || !adoptLease(record, of: host) {
                refused.append(record)
            }
            if freeze(of: host) == nil { freeze(host, .unknownLeases(unknown)) }
        }
        setUnadopted(refused, of: host)
    }

    private func isUnknown(_ record: LeaseRecord, of host: HostID) -> Bool {
        guard let lease = state.book.lease(of: record.block) else { return true }
        guard lease.host == host, lease.application == record.application else { return true }
        // An earlier life of the block at the same host.
        return !lease.isActive && !record.drained && record.epoch > lease.epoch
    }

    /// Its VMs there run on, so it carries their applications like any host that leases for them.
    private mutating func setUnadopted(_ records: [LeaseRecord], of host: HostID) {
        for record in live.hosts[host]?.unadopted ?? [] {
            changePresence(of: record.application, on: host, by: -1)
        }
        live.hosts[host]?.unadopted = records
        for record in records { changePresence(of: record.application, on: host, by: 1) }
    }

    /// After leases and bindings were taken from a hello.
    mutating func settleInventory(of host: HostID) {
        adoptAgain(host)
        if !state.restoration.isOn { forgetUnused(host) }
        hearRestored(host)
    }

    /// What the host holds is known.
    mutating func hearRestored(_ host: HostID) {
        guard state.restoration.awaited.contains(host) else { return }
        commit(.restoration(.heard(host)))
        if state.restoration.isOn, state.restoration.awaited.isEmpty { finishRestoration() }
    }

    private mutating func giveUpWhatIsGone(_ hello: Hello, of host: HostID) {
        let kept = Dictionary(hello.leases.map { ($0.block, $0) }, uniquingKeysWith: { $1 })
        for lease in held(by: host) where lease.isActive {
            let record = kept[lease.block]
            if let record, record.application == lease.application, !record.drained { continue }
            try? book { (book) throws(BookError) in
                try book.fence(lease.block, reason: "given up by its host after the backup")
            }
        }
    }

    /// Once more, after what stood in the way may have gone.
    mutating func adoptAgain(_ host: HostID, where isTurn: (LeaseRecord) -> Bool = { _ in true }) {
        let refused = live.hosts[host]?.unadopted ?? []
        let left = refused.filter { !isTurn($0) || !adoptLease($0, of: host) }
        guard left.count < refused.count else { return }
        setUnadopted(left, of: host)
        // What is bound there is in a block of the book now.
        let records = (state.bindings.byHost[host] ?? [:]).values.map(\.record).sorted { $0.sni < $1.sni }
        let sequence = state.hosts[host]?.journalSequence ?? 0
        commit(.bindings(host, journalSequence: sequence, records: records, whole: true))
    }

    /// A host keeps what it must not have only as long as something is bound, held or cooling there.
    mutating func forgetUnused(_ host: HostID) {
        guard let records = live.hosts[host]?.unadopted, !records.isEmpty else { return }
        let entries = state.bindings.byHost[host] ?? [:]
        let used = records.filter { $0.block.identifiers.contains { entries[$0.rawValue] != nil } }
        if used != records { setUnadopted(used, of: host) }
    }

    /// A host that holds identifiers of a block which the book has for somebody else: they are not free, whatever
    /// becomes of that lease.
    func unadoptedHolder(of block: SNIBlock) -> HostID? {
        live.hosts.filter {
            // Of a single identifier that goes home only the same one: it is not free there.
            $0.value.unadopted.contains { block.size > 1 ? $0.block.range.overlaps(block.range) : $0.block == block }
        }.keys.min()
    }

    /// A VM that migrated after the backup runs on at its destination; one that was about to is still at its source.
    private mutating func adoptArrival(_ record: LeaseRecord, of host: HostID) -> Bool {
        let sni = record.block.first
        guard !state.restoration.isOn else { return false }
        // Without a VM the snapshot takes it away, as soon as it has rested.
        guard let binding = state.bindings.byHost[host]?[sni.rawValue]?.record, binding.state != .cooling else {
            return true
        }
        guard let around = state.book.blockLease(around: sni) else {
            // Nobody's block, and not free: it must not be given to anybody while the VM runs.
            _ = adoptLease(
                LeaseRecord(block: smallestBlock(around: sni), application: record.application, epoch: record.epoch),
                of: host)
            return false
        }
        let other = state.bindings.byHost[around.host]?[sni.rawValue]?.record
        // Nothing leaves a block that is on its way out itself.
        guard !record.awaitsArrival || around.isActive else { return false }
        guard around.application == record.application, other.map({ $0.interface == binding.interface }) ?? true,
            let events = try? state.book.adopt(arrival: sni, at: host, epoch: record.epoch),
            case .subleased(let lease)? = events.last
        else { return false }
        let migration = Migration(
            sni: sni, interface: binding.interface, application: lease.application, source: around.host,
            destination: host, epoch: lease.epoch, phase: record.awaitsArrival ? .preparing : .flipped,
            isAborted: false, isSourceReady: true)
        // With the sub-lease its migration ends.
        commit(Array(events.dropLast()))
        commit(.migration(.started(migration)))
        commit(Array(events.suffix(1)))
        live.dirtyHosts.insert(around.host)
        if migration.phase == .flipped { awaitFlip(of: migration) }
        return true
    }

    /// The smallest block that is leased, around an identifier.
    private func smallestBlock(around sni: SessionNetworkID) -> SNIBlock {
        let size = SNIBlock.leasableSizes.lowerBound
        let first = SessionNetworkID(unchecked: sni.rawValue & ~UInt32(size - 1))
        guard let block = SNIBlock(first: first, size: size) else { preconditionFailure("\(first) is not aligned") }
        return block
    }

    /// False when somebody else has it.
    private mutating func adoptLease(_ record: LeaseRecord, of host: HostID) -> Bool {
        // Past the point of no return nothing is bound in it; the snapshot takes it away.
        if record.drained { return true }
        if record.block.size == 1 { return adoptArrival(record, of: host) }
        let id = ReservationID(.random(using: &randomness))
        let lifetime = configuration.standardLifetime
        let events = try? state.book.adopt(
            record.block, application: record.application, host: host, epoch: record.epoch, id: id,
            lifetime: lifetime, reason: "held by \(host), unknown to the book")
        guard let events else { return false }
        if state.applications[record.application] == nil {
            commit(
                .applicationCreated(
                    record.application, name: "restored-\(record.application.description.prefix(18))",
                    policy: ApplicationPolicy(), revision: live.revision + 1))
        }
        commit(events)
        return true
    }
}

/// Durable progress of a restoration.
struct RestorationState: Hashable, Sendable, Codable {
    var isOn = false
    /// Hosts that have not said yet what they hold; stays after the end.
    var awaited: Set<HostID> = []
}

/// Steps of a restoration from a backup.
public enum RestorationEvent: Hashable, Sendable, Codable {
    /// Every known host is awaited.
    case started
    case heard(HostID)
    case ended
}
