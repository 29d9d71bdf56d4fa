public import NetworkTypes

/// Leases that hosts hold and the book does not know, because it was restored from an old backup.
///
/// | in the way | what becomes of it |
/// |---|---|
/// | nothing | reserved and leased |
/// | reserved, leased to nobody | leased, or taken out of its claim and leased: use goes before a claim |
/// | a lease that drains, or is in quarantine | superseded: it ended after the backup, or who holds it would not |
/// | their sub-leases on their way out | superseded, too |
/// | a lease or a sub-lease in force | refused |
extension Book {
    /// Enters a lease as a host reports it.
    ///
    /// - Parameters:
    ///   - epoch: that the host names; the book's own rise above it.
    ///   - id: of the reservation that covers a block that was free.
    /// - Throws: `overlapping` when a lease in force has a part of it, `subleased` when identifiers moved out of what is
    ///   in its way, `outsidePool`, `retired`, or `invalid` for a size that is not leased, or an epoch that nothing could
    ///   rise above.
    public func adopt(
        _ block: SNIBlock, application: ApplicationID, host: HostID, epoch: Epoch, id: ReservationID,
        lifetime: Duration, reason: String
    ) throws(BookError) -> [BookEvent] {
        guard SNIBlock.leasableSizes.contains(block.size) else {
            throw .invalid(field: "block", why: "\(block) has a size that is not leased")
        }
        guard plan.contains(block.range), excluding.touching(block.range).isEmpty else {
            throw .outsidePool(block.range)
        }
        guard claims.number(of: id) == nil else {
            throw .invalid(field: "id", why: "reservation \(id) exists")
        }
        guard !retired.contains(application) else { throw .retired(application) }
        try Self.check(lifetime: lifetime)
        guard epoch.rawValue <= Self.counterMax else {
            throw .invalid(field: "epoch", why: "\(epoch) of \(block) is beyond \(Self.counterMax)")
        }
        let lease = BlockLease(
            block: block, application: application, host: host, epoch: max(epoch, lastEpoch.next), predicted: false,
            fromReserved: true)
        if isIdle(block, of: application) { return [.leased(lease)] }
        let (cleared, way) = try clear(block)
        let reservation = Reservation(
            id: id, application: application, block: block, predicted: false, lifetime: lifetime, reason: reason)
        let number = plan.chunk(of: block.first)
        let opening: [BookEvent] =
            cleared.pages.place(of: number) == nil
            ? [.chunkOpened(index: order.index(of: number), home: application)] : []
        return way + opening + [.reserved(reservation), .leased(lease)]
    }

    /// Enters the sub-lease of a VM that runs at the host that it migrated to.
    ///
    /// One on its way home is superseded: the VM migrated again after the backup.
    ///
    /// - Throws: `subleased` while the identifier has one in force, `unknownBlock` when nobody leases the block around it,
    ///   `invalid` for the host that leases that block, or for an epoch that nothing could rise above.
    public func adopt(
        arrival sni: SessionNetworkID, at host: HostID, epoch: Epoch
    ) throws(BookError) -> [BookEvent] {
        let single = SNIBlock(unit: sni)
        let before = subleases(of: single).first
        if let before, before.state != .draining, before.state != .quarantined { throw .subleased(single, count: 1) }
        // Also one that drains, or rests: it waits for what has left it.
        guard let around = blockLease(around: sni) else { throw .unknownBlock(single) }
        guard around.host != host else { throw .invalid(field: "host", why: "\(host) holds \(around.block) already") }
        guard epoch.rawValue <= Self.counterMax else {
            throw .invalid(field: "epoch", why: "\(epoch) of \(single) is beyond \(Self.counterMax)")
        }
        return (before == nil ? [] : [.superseded(single)]) + [
            .subleased(
                BlockLease(
                    block: single, application: around.application, host: host, epoch: max(epoch, lastEpoch.next),
                    predicted: false, fromReserved: true))
        ]
    }

    /// The events after which nobody owns a part of the block, and the book that they lead to.
    private func clear(_ block: SNIBlock) throws(BookError) -> (book: Book, events: [BookEvent]) {
        var book = self
        var events: [BookEvent] = []
        func take(_ event: BookEvent) {
            book.apply(event)
            events.append(event)
        }
        for lease in leases(touching: block.range) where lease.block.size > 1 {
            guard lease.state == .draining || lease.state == .quarantined else {
                throw .overlapping(block.range, lease.block.range)
            }
            let moved = subleases(of: lease.block)
            // The block would not have begun another life before they were home.
            guard moved.allSatisfy({ $0.state == .draining || $0.state == .quarantined }) else {
                throw .subleased(lease.block, count: moved.count)
            }
            for single in moved { take(.superseded(single.block)) }
            take(.superseded(lease.block))
        }
        for first in stride(from: block.first.rawValue, to: block.range.end, by: 4) {
            let part = SNIBlock(aligned: first, order: 2)
            guard let owner = book.owner(of: part.first) else { continue }
            take(.unreserved(part, owner))
        }
        return (book, events)
    }
}
