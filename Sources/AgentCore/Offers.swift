import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// What may be handed out: decided here, and kept in the host's half of the book, so that a launch only looks at its top.
///
/// Whatever changes an identifier's or a lease's state calls one of the `refresh` functions; records do it for all that
/// they touch.
extension AgentMachine {
    /// Best identifier for a launch: staged blocks before leased ones, marked ones last; among equals the fullest
    /// block, so that idle ones can go back; inside a block the longest unused identifier.
    func pick(for application: ApplicationID, at now: Instant) -> SessionNetworkID? {
        if let holdUntil, now < holdUntil { return nil }
        return book.pick(for: application)
    }

    /// The one place that says what may be handed out inside a lease.
    func isAvailable(_ sni: SessionNetworkID) -> Bool {
        guard durable.bindings[sni] == nil, cooling[sni] == nil, unknownPorts[sni] == nil,
            durable.departures[sni] == nil
        else {
            return false
        }
        guard let grant = durable.grant else { return false }
        return Int(sni.rawValue) < grant.overlay.capacity
    }

    /// Nil when a launch must not choose from the lease. Single identifiers wait for the VM that brings them.
    func rank(of lease: DurableState.Lease) -> HostBook.Rank? {
        let isLeftOut = planted.contains(.bindAfterPointOfNoReturn) && lease.drained
        guard lease.isBindable || isLeftOut else { return nil }
        return lease.order.marked ? .marked : lease.order.staged ? .staged : .leased
    }

    /// Follows what the records touched.
    mutating func refreshTouched() {
        let touched = durable.touched
        durable.touched = DurableState.Touched()
        if touched.everything {
            rebuildBook()
            return
        }
        for block in touched.blocks { refresh(block) }
        for sni in touched.identifiers { refresh(sni) }
    }

    /// From scratch: at start, or when the settings of the overlay are others.
    mutating func rebuildBook() {
        book = HostBook()
        incoming = [:]
        incomingBlocks = [:]
        for block in durable.leases.keys { refresh(block) }
    }

    mutating func refresh(_ sni: SessionNetworkID) {
        if isAvailable(sni) { book.offer(sni, lastUse: durable.used[sni] ?? 0) } else { book.take(sni) }
    }

    private mutating func refresh(_ block: SNIBlock) {
        let lease = durable.leases[block]
        guard block.size > 1 else { return refreshIncoming(block, lease?.order.incoming) }
        guard let lease, block.size <= SNIBlock.leasableSizes.upperBound else { return book.remove(block) }
        if book.application(of: block) == lease.order.application {
            book.setRank(block, rank(of: lease))
        } else {
            let (used, identifiers) = (durable.used, Set(block.identifiers.filter { isAvailable($0) }))
            book.put(block, of: lease.order.application, rank: rank(of: lease)) {
                identifiers.contains($0) ? used[$0] ?? 0 : nil
            }
        }
    }

    private mutating func refreshIncoming(_ block: SNIBlock, _ interface: VMInterface?) {
        let before = incomingBlocks[block]
        guard before != interface else { return }
        incomingBlocks[block] = interface
        if let before {
            incoming[before]?.remove(block)
            if incoming[before]?.isEmpty == true { incoming[before] = nil }
        }
        if let interface { incoming[interface, default: []].insert(block) }
    }
}
