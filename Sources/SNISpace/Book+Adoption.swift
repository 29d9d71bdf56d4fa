public import NetworkTypes

/// Leases that hosts hold and the book does not know, because it was restored from an old backup.
extension Book {
    /// Enters a lease as a host reports it: what is free, or reserved for the same application, becomes its block.
    ///
    /// - Parameters:
    ///   - epoch: that the host names; the book's own rise above it.
    ///   - id: of the reservation that covers a block that was free.
    /// - Throws: `overlapping` when somebody else owns a part of it, `outsidePool`, or `invalid` for a size that is
    ///   not leased.
    public func adopt(
        _ block: SNIBlock, application: ApplicationID, host: HostID, epoch: Epoch, id: ReservationID,
        lifetime: Duration, reason: String
    ) throws(BookError) -> [BookEvent] {
        guard SNIBlock.leasableSizes.contains(block.size) else {
            throw .invalid(field: "block", why: "\(block) has a size that is not leased")
        }
        guard plan.contains(block.range), !excluding.contains(where: { $0.overlaps(block.range) }) else {
            throw .outsidePool(block.range)
        }
        guard claims[id] == nil else { throw .invalid(field: "id", why: "reservation \(id) exists") }
        let lease = BlockLease(
            block: block, application: application, host: host, epoch: max(epoch, lastEpoch.next), predicted: false,
            fromReserved: true)
        if accounts[application]?.idle.enclosing(block) != nil { return [.leased(lease)] }
        let number = plan.chunk(of: block.first)
        let open = chunks[number]
        guard (open?.free ?? plan.usable(in: number)).enclosing(block) != nil else {
            throw .overlapping(block.range, leases(touching: block.range).first?.block.range ?? block.range)
        }
        let reservation = Reservation(
            id: id, application: application, block: block, predicted: false, lifetime: lifetime, reason: reason)
        let opening: [BookEvent] =
            open == nil ? [.chunkOpened(index: order.index(of: number), home: application)] : []
        return opening + [.reserved(reservation), .leased(lease)]
    }
}
