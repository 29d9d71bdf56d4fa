public import NetworkTypes

extension Book {
    /// How many ranges of one size are asked for a free neighbour buddy before the search goes on elsewhere.
    static let neighbourTriesMax = 32

    /// Reserves identifiers for an application: one aligned range of at least `count`, or the largest smaller one that
    /// cap, floors of others and free space allow (a partial grant).
    ///
    /// - Parameters:
    ///   - count: identifiers wanted beyond those owned; rounded up to a power of two.
    ///   - blockOrder: log2 of the smallest useful grant.
    /// - Returns: events that end with `reserved`; empty when the idempotency key was answered before
    ///   (see ``answer(to:)``).
    public func reserve(
        id: ReservationID, application: ApplicationID, count: Int, blockOrder: Int, predicted: Bool,
        requested: Bool = false, lifetime: Duration, reason: String, idempotencyKey: String = ""
    ) throws(BookError) -> [BookEvent] {
        guard count > 0, count <= SessionNetworkID.spaceSize else {
            throw .invalid(field: "count", why: "must be from 1 to \(SessionNetworkID.spaceSize)")
        }
        guard (2...8).contains(blockOrder) else {
            throw .invalid(field: "block-size", why: "must be a power of two from 4 to 256")
        }
        guard lifetime > .zero else { throw .invalid(field: "lifetime", why: "must be longer than nothing") }
        guard claims[id] == nil else { throw .invalid(field: "id", why: "reservation \(id) exists") }
        if !idempotencyKey.isEmpty, let earlier = answers[idempotencyKey] {
            guard earlier.application == application else { throw .keyReused(idempotencyKey) }
            return []
        }
        let wanted = max(blockOrder, Self.order(atLeast: count))
        let headroom = self.headroom(of: application)
        guard headroom >= 1 << blockOrder else { throw refusal(of: application, wanted: count) }
        let allowed = min(wanted, plan.chunkOrder, headroom.bitWidth - 1 - headroom.leadingZeroBitCount)
        for order in (blockOrder...allowed).reversed() {
            guard let place = place(for: application, order: order) else { continue }
            let reservation = Reservation(
                id: id, application: application, block: place.block, predicted: predicted,
                requested: requested, lifetime: lifetime, reason: reason, idempotencyKey: idempotencyKey)
            let opening = place.opening.map { [BookEvent.chunkOpened(index: $0, home: application)] } ?? []
            return opening + [.reserved(reservation)]
        }
        throw .exhausted(wanted: count, free: free)
    }

    private func refusal(of application: ApplicationID, wanted: Int) -> BookError {
        let account = accounts[application]
        if let account, account.cap > 0, account.cap - account.owned.identifiers <= free {
            return .quota(cap: account.cap, owned: account.owned.identifiers, wanted: wanted)
        }
        return .exhausted(wanted: wanted, free: free)
    }

    /// Identifiers that the application may still claim under its cap and the floors of others.
    public func headroom(of application: ApplicationID) -> Int {
        let account = accounts[application]
        let others = floorDebt - (account?.floorDebt ?? 0)
        let room = max(0, free - others)
        guard let account, account.cap > 0 else { return room }
        return max(0, min(room, account.cap - account.owned.identifiers))
    }

    static func order(atLeast count: Int) -> Int {
        count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }

    /// Where a block of `order` goes, and the chunk to open for it; see ``Book`` for the order of preference.
    private func place(for application: ApplicationID, order: Int) -> (block: SNIBlock, opening: Int?)? {
        if let buddy = freeBuddy(of: application, order: order) { return (buddy, nil) }
        for size in order...plan.chunkOrder {
            if let number = homes[HomeKey(application: application, order: size)]?.min,
                let block = chunks[number]?.free.bestFit(order: order)
            {
                return (block, nil)
            }
        }
        if let fresh = freshChunk(order: order) { return fresh }
        for size in order...plan.chunkOrder {
            if let number = room[size].min, let block = chunks[number]?.free.bestFit(order: order) {
                return (block, nil)
            }
        }
        return nil
    }

    private func freeBuddy(of application: ApplicationID, order: Int) -> SNIBlock? {
        guard order < plan.chunkOrder else { return nil }
        for range in accounts[application]?.owned.blocks(order: order, limit: Self.neighbourTriesMax) ?? [] {
            let first = SessionNetworkID(unchecked: range.first.rawValue ^ (1 << UInt32(order)))
            if let buddy = SNIBlock(first: first, size: range.size),
                chunks[plan.chunk(of: first)]?.free.enclosing(buddy) != nil
            {
                return buddy
            }
        }
        return nil
    }

    private func freshChunk(order wanted: Int) -> (block: SNIBlock, opening: Int?)? {
        for index in unopened {
            let number = order.chunk(at: Int(index))
            var usable = plan.usable(in: number)
            for block in excludingBlocks(in: number) { _ = usable.extract(within: block) }
            if let block = usable.bestFit(order: wanted) {
                return (block, Int(index))
            }
        }
        return nil
    }

    /// The reservation that first answered an idempotency key.
    public func answer(to key: String) -> Reservation? { answers[key] }

    public func extend(_ id: ReservationID, lifetime: Duration) throws(BookError) -> [BookEvent] {
        guard claims[id] != nil else { throw .unknownReservation(id) }
        guard lifetime > .zero else { throw .invalid(field: "lifetime", why: "must be longer than nothing") }
        return [.reservationExtended(id, lifetime: lifetime)]
    }

    /// Release and expiry: what is not leased is free at once, leased blocks stay until the handshake frees them.
    public func end(_ id: ReservationID, reason: String) throws(BookError) -> [BookEvent] {
        guard claims[id] != nil else { throw .unknownReservation(id) }
        return [.reservationEnded(id, reason: reason)]
    }

    /// Gives back a part of what an application has reserved and not leased.
    public func unreserve(_ block: SNIBlock, of application: ApplicationID) throws(BookError) -> [BookEvent] {
        guard accounts[application]?.idle.enclosing(block) != nil else {
            throw .nothingReserved(application, size: block.size)
        }
        return [.unreserved(block, application)]
    }

    // MARK: Leases

    /// Leases a block out of what the application has reserved.
    public func lease(
        application: ApplicationID, host: HostID, order: Int, predicted: Bool, fromReserved: Bool
    ) throws(BookError) -> [BookEvent] {
        guard (2...8).contains(order) else {
            throw .invalid(field: "block-size", why: "must be a power of two from 4 to 256")
        }
        guard let block = accounts[application]?.idle.bestFit(order: order) else {
            throw .nothingReserved(application, size: 1 << order)
        }
        let lease = BlockLease(
            block: block, application: application, host: host, epoch: lastEpoch.next, predicted: predicted,
            fromReserved: fromReserved)
        return [.leased(lease)]
    }

    public func stage(_ block: SNIBlock) throws(BookError) -> [BookEvent] {
        try check(block, .stage)
        return [.staged(block)]
    }

    public func mark(_ block: SNIBlock, reason: String, force: Bool) throws(BookError) -> [BookEvent] {
        try check(block, .mark)
        return [.marked(block, epoch: lastEpoch.next, reason: reason, force: force)]
    }

    /// - Parameter epoch: of the mark, as the host names it.
    public func abort(_ block: SNIBlock, epoch: Epoch) throws(BookError) -> [BookEvent] {
        try check(block, .abort, named: epoch)
        return [.markAborted(block, epoch: lastEpoch.next)]
    }

    /// - Parameter epoch: of the mark, as the host names it.
    public func drain(_ block: SNIBlock, epoch: Epoch) throws(BookError) -> [BookEvent] {
        try check(block, .drain, named: epoch)
        return [.drained(block, epoch: lastEpoch.next)]
    }

    public func remove(_ block: SNIBlock) throws(BookError) -> [BookEvent] {
        try check(block, .remove)
        return [.removed(block)]
    }

    public func free(_ block: SNIBlock) throws(BookError) -> [BookEvent] {
        try check(block, .free)
        let living = subleases(of: block).count
        guard block.size == 1 || living == 0 else { throw .subleased(block, count: living) }
        return [.freed(block)]
    }

    /// Drains a block of a host that is proven off, or that every reachable host dropped: the host is not asked.
    ///
    /// - Parameter reason: who takes responsibility, and on what grounds.
    public func fence(_ block: SNIBlock, reason: String) throws(BookError) -> [BookEvent] {
        try check(block, .fence)
        return [.fenced(block, epoch: lastEpoch.next, reason: reason)]
    }

    func check(_ block: SNIBlock, _ verb: BookVerb, named: Epoch? = nil) throws(BookError) {
        guard let lease = lease(of: block) else { throw .unknownBlock(block) }
        if let named, named != lease.epoch { throw .stale(block, named: named, inForce: lease.epoch) }
        let state = IdentifierState(lease.state)
        guard state.after(verb) != nil else { throw .wrongState(block, state, verb) }
    }

    // MARK: Quotas

    /// - Parameter rank: the application's class in a shortage; nil leaves it as it is.
    public func setQuota(
        _ application: ApplicationID, cap: Int, floor: Int, rank: ClassRank? = nil
    ) throws(BookError) -> [BookEvent] {
        guard cap >= 0, cap <= SessionNetworkID.spaceSize else {
            throw .invalid(field: "cap", why: "must be from 0 (none) to \(SessionNetworkID.spaceSize)")
        }
        guard floor >= 0, cap == 0 || floor <= cap else {
            throw .invalid(field: "floor", why: "must be from 0 to the cap")
        }
        let account = accounts[application]
        let debt = max(0, floor - (account?.owned.identifiers ?? 0))
        guard floorDebt - (account?.floorDebt ?? 0) + debt <= free else {
            throw .exhausted(wanted: floor, free: free)
        }
        var events: [BookEvent] = []
        if cap != account?.cap ?? 0 || floor != account?.floor ?? 0 {
            events.append(.quotaSet(application, cap: cap, floor: floor))
        }
        if let rank, rank != account?.rank ?? .lowest { events.append(.ranked(application, rank)) }
        return events
    }

    public func forget(_ application: ApplicationID) throws(BookError) -> [BookEvent] {
        let owned = owned(by: application)
        guard owned == 0 else { throw .stillOwns(application, identifiers: owned) }
        return [.applicationForgotten(application)]
    }
}
