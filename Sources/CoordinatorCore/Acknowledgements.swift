import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// What blocks wait for, and who has said so.
extension CoordinatorMachine {
    /// A fresh lease is staged when every host that carries its application has acknowledged it. Hosts that start to
    /// carry the application later get the block in or before the update with their own first lease, so a staged
    /// block stays staged.
    mutating func awaitStaging(of block: SNIBlock) {
        guard let lease = state.book.lease(of: block), lease.awaitsStaging else { return }
        for host in watchers(of: lease.application).sorted() where host != lease.host {
            guard let peer = live.hosts[host], peer.reach.takesPart else { continue }
            owe(block, by: host)
        }
        if live.waits[block.key] == nil { complete(block.key) }
    }

    /// The owner's acknowledgement is mandatory unless it is fenced, and that of every reachable host that may still
    /// carry the block. Who carries it and is not reachable owes its removal until a snapshot repays it.
    mutating func awaitRemoval(of lease: BlockLease) {
        let first = lease.block.key
        live.waits[first] = nil
        for host in live.hosts.keys.sorted() {
            guard let peer = live.hosts[host] else { continue }
            if host == lease.host {
                if isFenced(lease) { continue }
            } else {
                if planted.contains(.reuseBeforePeerAcknowledgement) { continue }
                guard mayCarry(first, peer) else { continue }
                guard peer.reach.takesPart else {
                    incurDebt(of: lease.block, by: host)
                    continue
                }
            }
            owe(lease.block, by: host)
            // Its removal is under way already: no further update will name it.
            if let revision = peer.removing[first] ?? peer.blindUntil, peer.reach == .connected {
                live.waits[first]?[host] = revision
            }
        }
        if live.waits[first] == nil { complete(first) }
    }

    private func mayCarry(_ block: UInt32, _ peer: HostLive) -> Bool {
        let carries = peer.sent.map { $0.remotes[block] != nil } ?? true
        return carries || peer.removing[block] != nil || peer.blindUntil != nil
    }

    /// `.max` until an update, or a snapshot, names the block.
    private mutating func owe(_ block: SNIBlock, by host: HostID) {
        live.waits[block.key, default: [:]][host] = .max
    }

    /// Whoever stopped to carry the application in the very turn in which a block was leased was told nothing of it: no
    /// acknowledgement will come.
    mutating func releaseUntold(_ blocks: [SNIBlock]) {
        for block in blocks {
            guard let owed = live.waits[block.key], state.book.lease(of: block)?.awaitsStaging ?? false else {
                continue
            }
            for (host, needed) in owed.sorted(by: { $0.key < $1.key }) {
                guard needed == .max, live.hosts[host]?.reach == .connected else { continue }
                release(block.key, from: host)
            }
        }
    }

    mutating func acknowledge(_ position: Position, by host: HostID) {
        let current = self.position
        guard position.generation == current.generation, position.term == current.term,
            let sent = live.hosts[host]?.sentRevision, position.revision <= sent
        else { return }
        let before = live.hosts[host]?.acknowledged ?? .zero
        live.hosts[host]?.acknowledged = max(before, position)
        var satisfied: Set<UInt32> = []
        if let needed = live.hosts[host]?.blindUntil, needed <= position.revision {
            live.hosts[host]?.blindUntil = nil
            // What drained while the snapshot was under way waits for it, and no later update names it.
            for (block, owed) in live.waits where owed[host].map({ $0 <= position.revision }) ?? false {
                satisfied.insert(block)
            }
        }
        while let first = live.hosts[host]?.unacknowledged.first, first.revision <= position.revision {
            live.hosts[host]?.unacknowledged.removeFirst()
            satisfied.insert(first.block)
        }
        for block in satisfied.sorted() { satisfy(block, by: host, at: position.revision) }
        repay(host, at: position.revision)
        advanceFences(host, at: position.revision)
        advanceFlips(host, at: position.revision)
        advanceDepartures(from: host, at: position.revision)
        advanceMoves(by: host, at: position.revision)
    }

    private mutating func satisfy(_ block: UInt32, by host: HostID, at revision: UInt64) {
        if let needed = live.hosts[host]?.removing[block], needed <= revision {
            live.hosts[host]?.removing[block] = nil
        }
        guard let needed = live.waits[block]?[host], needed <= revision else { return }
        release(block, from: host)
    }

    /// `host` no longer stands in the way of what `block` waits for.
    mutating func release(_ block: UInt32, from host: HostID) {
        live.waits[block]?[host] = nil
        guard live.waits[block]?.isEmpty ?? false else { return }
        live.waits[block] = nil
        complete(block)
    }

    /// Everybody who had to has acknowledged.
    mutating func complete(_ first: UInt32) {
        guard !state.restoration.isOn, let lease = state.book.lease(key: first) else { return }
        switch lease.state {
        case .leased:
            try? book { (book) throws(BookError) in try book.stage(lease.block) }
            notice(.info, "staged", "\(lease.block) of host \(lease.host) stands in the kernels of all its peers")
        case .draining: try? book { (book) throws(BookError) in try book.remove(lease.block) }
        case .staged, .marked, .quarantined: break
        }
    }

    /// Handshakes go on without a host that is silent for too long, except the removal of its own leases. What it did
    /// not remove is its debt.
    ///
    /// While a book is restored nothing goes on at all: nobody was told anything. Its end awaits everything anew.
    mutating func excuse(_ host: HostID) {
        guard !state.restoration.isOn else { return }
        for (block, owed) in live.waits.sorted(by: { $0.key < $1.key }) where owed[host] != nil {
            if let lease = state.book.lease(key: block), lease.state == .draining {
                if lease.host == host, !isFenced(lease) { continue }
                if lease.host != host { incurDebt(of: lease.block, by: host) }
            }
            release(block, from: host)
        }
        advanceFences(host, at: nil)
        advanceFlips(host, at: nil)
    }

    // MARK: Recovery

    mutating func recoverPresence() {
        for lease in everyLease where lease.isActive {
            changePresence(of: lease.application, on: lease.host, by: 1)
        }
        live.dirtyHosts = []
    }

    mutating func recoverHosts() {
        for host in state.hosts.keys.sorted() {
            live.hosts[host] = HostLive(contact: now)
            // Who owes a removal, or is fenced, was not waited for and is not waited for now.
            guard state.safety[host]?.isOutside ?? false else {
                live.timers.arm(.silence(host), at: now + configuration.unreachableAfter)
                continue
            }
            live.hosts[host]?.reach = .unreachable
        }
        awaitEverything()
    }

    /// From nothing: also what was acknowledged is acknowledged again.
    mutating func awaitEverything() {
        live.waits = [:]
        for host in state.safety.keys.sorted() { awaitDrops(of: host) }
        for host in state.hosts.keys.sorted() { awaitMove(of: host) }
        for migration in state.migrations.values.sorted(by: { $0.sni < $1.sni }) where migration.phase == .flipped {
            awaitFlip(of: migration)
        }
        for lease in everyLease {
            if lease.awaitsStaging { awaitStaging(of: lease.block) }
            if lease.state == .draining { awaitRemoval(of: lease) }
        }
    }
}

extension CoordinatorMachine {
    /// Leases of blocks, then sub-leases of single identifiers.
    var everyLease: [BlockLease] { state.book.allLeases + state.book.allSubleases }

    /// Everything that a host leases, sub-leases last.
    func held(by host: HostID) -> [BlockLease] { state.book.leases(of: host) + state.book.subleases(of: host) }

    /// Everything leased of an application, sub-leases last.
    func leases(of application: ApplicationID) -> [BlockLease] {
        state.book.leases(of: application) + state.book.subleases(of: application)
    }
}

extension SNIBlock {
    init(single sni: SessionNetworkID) {
        guard let block = SNIBlock(first: sni, size: 1) else { preconditionFailure("\(sni) is no block of one") }
        self = block
    }

    /// Names a block where blocks of one may lie inside larger ones.
    var key: UInt32 { size == 1 ? first.rawValue | 1 << 31 : first.rawValue }
}

extension Book {
    /// The lease behind a block's ``NetworkTypes/SNIBlock/key``.
    func lease(key: UInt32) -> BlockLease? {
        let sni = SessionNetworkID(unchecked: key & 0xFF_FFFF)
        guard key < 1 << 31 else { return subleases(of: SNIBlock(single: sni)).first }
        return blockLease(around: sni)
    }
}
