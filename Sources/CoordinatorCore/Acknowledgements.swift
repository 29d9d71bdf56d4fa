import FleetProtocol
import NetworkTypes
import SNISpace

/// What blocks wait for, and who has said so.
extension CoordinatorMachine {
    /// A fresh lease is staged when every host that carries its application has acknowledged it. Hosts that start to
    /// carry the application later get the block in or before the update with their own first lease, so a staged
    /// block stays staged.
    mutating func awaitStaging(of block: SNIBlock) {
        guard let lease = state.book.lease(of: block), lease.awaitsStaging else { return }
        for host in watchers(of: lease.application).sorted() where host != lease.host {
            guard let peer = live.hosts[host], peer.reach != .unreachable else { continue }
            owe(block, by: host)
        }
        if live.waits[block.first.rawValue] == nil { complete(block.first.rawValue) }
    }

    /// The owner's acknowledgement is mandatory, and that of every reachable host that may still carry the block.
    mutating func awaitRemoval(of lease: BlockLease) {
        let first = lease.block.first.rawValue
        live.waits[first] = nil
        for host in live.hosts.keys.sorted() {
            guard let peer = live.hosts[host] else { continue }
            if host != lease.host {
                guard peer.reach != .unreachable else { continue }
                let carries = peer.sent.map { $0.remotes[first] != nil } ?? true
                guard carries || peer.removing[first] != nil else { continue }
            }
            owe(lease.block, by: host)
            // Its removal is under way already: no further update will name it.
            if let revision = peer.removing[first], peer.reach == .connected { live.waits[first]?[host] = revision }
        }
        if live.waits[first] == nil { complete(first) }
    }

    /// `.max` until an update, or a snapshot, names the block.
    private mutating func owe(_ block: SNIBlock, by host: HostID) {
        live.waits[block.first.rawValue, default: [:]][host] = .max
    }

    mutating func acknowledge(_ position: Position, by host: HostID) {
        let current = self.position
        guard position.generation == current.generation, position.term == current.term,
            let sent = live.hosts[host]?.sentRevision, position.revision <= sent
        else { return }
        let before = live.hosts[host]?.acknowledged ?? .zero
        live.hosts[host]?.acknowledged = max(before, position)
        var satisfied: Set<UInt32> = []
        while let first = live.hosts[host]?.unacknowledged.first, first.revision <= position.revision {
            live.hosts[host]?.unacknowledged.removeFirst()
            satisfied.insert(first.block)
        }
        for block in satisfied.sorted() { satisfy(block, by: host, at: position.revision) }
    }

    private mutating func satisfy(_ block: UInt32, by host: HostID, at revision: UInt64) {
        if let needed = live.hosts[host]?.removing[block], needed <= revision {
            live.hosts[host]?.removing[block] = nil
        }
        guard let needed = live.waits[block]?[host], needed <= revision else { return }
        release(block, from: host)
    }

    /// `host` no longer stands in the way of what `block` waits for.
    private mutating func release(_ block: UInt32, from host: HostID) {
        live.waits[block]?[host] = nil
        guard live.waits[block]?.isEmpty ?? false else { return }
        live.waits[block] = nil
        complete(block)
    }

    /// Everybody who had to has acknowledged.
    mutating func complete(_ first: UInt32) {
        guard let lease = state.book.blockLease(around: SessionNetworkID(unchecked: first)) else { return }
        switch lease.state {
        case .leased: try? book { (book) throws(BookError) in try book.stage(lease.block) }
        case .draining: try? book { (book) throws(BookError) in try book.remove(lease.block) }
        case .staged, .marked, .quarantined: break
        }
    }

    /// Handshakes go on without a host that is silent for too long, except the removal of its own leases.
    mutating func excuse(_ host: HostID) {
        for (block, owed) in live.waits.sorted(by: { $0.key < $1.key }) where owed[host] != nil {
            let lease = state.book.blockLease(around: SessionNetworkID(unchecked: block))
            if lease?.host == host, lease?.state == .draining { continue }
            release(block, from: host)
        }
    }

    // MARK: Recovery

    mutating func recoverPresence() {
        for lease in state.book.allLeases where lease.isActive { changePresence(lease, by: 1) }
        live.dirtyHosts = []
    }

    mutating func recoverHosts() {
        for host in state.hosts.keys.sorted() {
            live.hosts[host] = HostLive(contact: now)
            live.timers.arm(.silence(host), at: now + configuration.unreachableAfter)
        }
        for lease in state.book.allLeases {
            if lease.awaitsStaging { awaitStaging(of: lease.block) }
            if lease.state == .draining { awaitRemoval(of: lease) }
        }
    }
}
