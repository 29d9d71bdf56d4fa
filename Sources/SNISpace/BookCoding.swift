import NetworkTypes

/// How the values of the book stand in snapshots and event logs.
extension ByteWriter {
    mutating func put(_ reservation: Reservation) {
        put(reservation.id)
        put(reservation.application)
        put(reservation.block)
        put(reservation.predicted)
        put(reservation.requested)
        put(reservation.lifetime)
        put(reservation.reason)
        put(reservation.idempotencyKey)
    }

    mutating func put(_ lease: BlockLease) {
        put(lease.block)
        put(lease.application)
        put(lease.host.name)
        put(lease.reason)
        putRest(of: lease)
    }

    /// Everything but names.
    mutating func putRest(of lease: BlockLease) {
        put(lease.epoch.rawValue)
        put(lease.grantEpoch.rawValue)
        put(UInt8(LeaseState.allCases.firstIndex(of: lease.state) ?? 0))
        let flags = [lease.predicted, lease.fromReserved, lease.stagedBeforeMark, lease.force, lease.fenced]
        put(flags.enumerated().reduce(UInt8(0)) { $0 | ($1.element ? 1 << UInt8($1.offset) : 0) })
    }

    mutating func put(_ entry: ReclaimedBlock) {
        put(entry.cursor)
        put(entry.block)
        put(entry.application)
        put(entry.host.name)
        put(entry.reason)
    }

    mutating func put(_ plan: PoolPlan) {
        put(UInt8(plan.chunkOrder))
        put(plan.pool) { $0.put($1) }
        put(plan.excluded) { $0.put($1) }
        put(plan.key.high)
        put(plan.key.low)
    }

    mutating func put(_ block: SNIBlock, _ epoch: Epoch) {
        put(block)
        put(epoch.rawValue)
    }
}

extension ByteReader {
    mutating func reservation() throws(CodecError) -> Reservation {
        let id = ReservationID(try uuid())
        let application = ApplicationID(try uuid())
        return Reservation(
            id: id, application: application, block: try block(), predicted: try flag(), requested: try flag(),
            lifetime: try duration(), reason: try text(), idempotencyKey: try text())
    }

    mutating func lease() throws(CodecError) -> BlockLease {
        let block = try block()
        let application = ApplicationID(try uuid())
        let host = try host()
        let reason = try text()
        return try lease(block, application, host, reason)
    }

    mutating func lease(
        _ block: SNIBlock, _ application: ApplicationID, _ host: HostID, _ reason: String
    ) throws(CodecError) -> BlockLease {
        let epoch = try epoch()
        let grantEpoch = try self.epoch()
        let state: UInt8 = try get()
        let flags: UInt8 = try get()
        guard state < LeaseState.allCases.count, flags < 32 else {
            throw malformed("state \(state) or flags \(flags) of \(block) mean nothing")
        }
        var lease = BlockLease(
            block: block, application: application, host: host, epoch: epoch, predicted: flags & 1 != 0,
            fromReserved: flags & 2 != 0)
        lease.grantEpoch = grantEpoch
        lease.state = LeaseState.allCases[Int(state)]
        lease.stagedBeforeMark = flags & 4 != 0
        lease.force = flags & 8 != 0
        lease.fenced = flags & 16 != 0
        lease.reason = reason
        return lease
    }

    mutating func reclaimed() throws(CodecError) -> ReclaimedBlock {
        ReclaimedBlock(
            cursor: try get(), block: try block(), application: ApplicationID(try uuid()), host: try host(),
            reason: try text())
    }

    mutating func plan() throws(CodecError) -> PoolPlan {
        let order: UInt8 = try get()
        let pool = try list(least: 8) { (reader: inout ByteReader) throws(CodecError) in try reader.range() }
        let excluded = try list(least: 8) { (reader: inout ByteReader) throws(CodecError) in try reader.range() }
        let key = ShuffleKey(high: try get(), low: try get())
        do throws(BookError) {
            return try PoolPlan(chunkOrder: Int(order), pool: pool, excluded: excluded, key: key)
        } catch { throw malformed("the pool is refused: \(error)") }
    }
}
