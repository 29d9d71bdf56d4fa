public import NetworkTypes

/// Leases that hosts hold and the book does not know, because it was restored from an old backup.
extension Book {
    /// Enters a lease as a host reports it: what is free, or reserved for the same application, becomes its block.
    ///
    /// - Parameters:
    ///   - epoch: that the host names; the book's own rise above it.
    ///   - id: of the reservation that covers a block that was free.
    /// - Throws: `overlapping` when somebody else owns a part of it, `outsidePool`, `retired`, or `invalid` for a
    ///   size that is not leased, or an epoch that nothing could rise above.
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
        let owned = stride(from: block.first.rawValue, to: block.range.end, by: 4).first { first in
            owner(of: SessionNetworkID(unchecked: first)) != nil
        }
        if let owned {
            let other = leases(touching: SNIRange(unchecked: owned, count: 4)).first
            throw .overlapping(block.range, other?.block.range ?? SNIRange(unchecked: owned, count: 4))
        }
        let reservation = Reservation(
            id: id, application: application, block: block, predicted: false, lifetime: lifetime, reason: reason)
        let number = plan.chunk(of: block.first)
        let opening: [BookEvent] =
            pages.place(of: number) == nil
            ? [.chunkOpened(index: order.index(of: number), home: application)] : []
        return opening + [.reserved(reservation), .leased(lease)]
    }
}
