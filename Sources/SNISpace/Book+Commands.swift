public import NetworkTypes

extension Book {
    /// How many chunks with ranges of one size are asked for a free neighbour buddy before the search goes on.
    static let neighbourTriesMax = 16

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
        try Self.check(lifetime: lifetime)
        guard claims.number(of: id) == nil else { throw .invalid(field: "id", why: "reservation \(id) exists") }
        guard !retired.contains(application) else { throw .retired(application) }
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
        if let account, account.cap > 0, account.cap - account.owned <= free {
            return .quota(cap: account.cap, owned: account.owned, wanted: wanted)
        }
        let ahead = awaitedAhead(of: application)
        if ahead > 0, free > 0 { return .awaited(wanted: wanted, ahead: ahead) }
        return .exhausted(wanted: wanted, free: free)
    }

    /// Identifiers that the application may still claim under its cap and the floors of others, without those that others
    /// come first for.
    public func headroom(of application: ApplicationID) -> Int {
        let ahead = awaitedAhead(of: application)
        guard let number = accounts.number(of: application) else { return max(0, grantable - floorDebt - ahead) }
        let own = accounts[number].floorDebt
        var room = max(0, grantable - (floorDebt - own))
        room = max(min(room, own), room - ahead)
        let cap = accounts[number].cap
        return cap == 0 ? room : max(0, min(room, cap - accounts[number].owned))
    }

    static func order(atLeast count: Int) -> Int {
        count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    }

    /// Where a block of `order` goes, and the chunk to open for it; see ``Book`` for the order of preference.
    private func place(for application: ApplicationID, order: Int) -> (block: SNIBlock, opening: Int?)? {
        let level = order - 2
        if let number = accounts.number(of: application) {
            if let buddy = freeBuddy(of: number, level: level) { return (buddy, nil) }
            if let block = fitting(level, in: accounts[number].hotHomes) { return (block, nil) }
        }
        if let fresh = freshChunk(level: level) { return fresh }
        if let number = accounts.number(of: application),
            let block = fitting(level, in: accounts[number].coldHomes)
        {
            return (block, nil)
        }
        return fitting(level, in: room).map { ($0, nil) }
    }

    /// A free block in the chunk whose largest one is the smallest that is big enough, of several the lowest.
    private func fitting(_ level: Int, in chunks: LevelSets) -> SNIBlock? {
        for size in level...plan.chunkOrder - 2 {
            guard let chunk = chunks.lowest(level: size), let place = pages.place(of: chunk) else { continue }
            return pages[place].bestFit(level: level).map { pages[place].block($0) }
        }
        return nil
    }

    private func freeBuddy(of application: UInt32, level: Int) -> SNIBlock? {
        guard level < plan.chunkOrder - 2 else { return nil }
        return accounts[application].ranges.first(level: level, tries: Self.neighbourTriesMax) { chunk in
            guard let place = pages.place(of: chunk) else { return nil }
            return pages[place].freeBuddy(of: application, level: level).map { pages[place].block($0) }
        }
    }

    private func freshChunk(level: Int) -> (block: SNIBlock, opening: Int?)? {
        let fitting = (level...plan.chunkOrder - 2).compactMap { unopened.lowest(level: $0) }
        guard let index = fitting.min() else { return nil }
        let blocks = grantable(in: order.chunk(at: Int(index))).filter { $0.order - 2 >= level }
        guard let smallest = blocks.min(by: { ($0.size, $0.first) < ($1.size, $1.first) }) else { return nil }
        return (SNIBlock(aligned: smallest.first.rawValue, order: level + 2), Int(index))
    }

    /// The reservation that first answered an idempotency key.
    public func answer(to key: String) -> Reservation? { answers[key] }

    public func extend(_ id: ReservationID, lifetime: Duration) throws(BookError) -> [BookEvent] {
        guard claims.number(of: id) != nil else { throw .unknownReservation(id) }
        try Self.check(lifetime: lifetime)
        return [.reservationExtended(id, lifetime: lifetime)]
    }

    /// Release and expiry: what is not leased is free at once, leased blocks stay until the handshake frees them.
    public func end(_ id: ReservationID, reason: String) throws(BookError) -> [BookEvent] {
        guard claims.number(of: id) != nil else { throw .unknownReservation(id) }
        return [.reservationEnded(id, reason: reason)]
    }

    /// Gives back a part of what an application has reserved and not leased.
    public func unreserve(_ block: SNIBlock, of application: ApplicationID) throws(BookError) -> [BookEvent] {
        guard block.order >= 2 else { throw .invalid(field: "block", why: "must have at least four identifiers") }
        guard isIdle(block, of: application) else { throw .nothingReserved(application, size: block.size) }
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
        guard let block = idleBlock(of: application, order: order) else {
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
        guard let record = record(of: block) else { throw .unknownBlock(block) }
        if let named, named.rawValue != record.epoch {
            throw .stale(block, named: named, inForce: Epoch(record.epoch))
        }
        let state = IdentifierState(record.state)
        guard state.after(verb) != nil else { throw .wrongState(block, state, verb) }
    }

    /// Lifetimes are added to clocks: longer ones than a year would overflow them.
    static let lifetimeMax = Duration.seconds(366 * 86_400)

    static func check(lifetime: Duration) throws(BookError) {
        guard lifetime > .zero, lifetime <= lifetimeMax else {
            throw .invalid(field: "lifetime", why: "must be longer than nothing and at most a year")
        }
    }

    // MARK: Quotas

    static func check(cap: Int, floor: Int) throws(BookError) {
        guard cap >= 0, cap <= SessionNetworkID.spaceSize else {
            throw .invalid(field: "cap", why: "must be from 0 (none) to \(SessionNetworkID.spaceSize)")
        }
        let floorMax = cap == 0 ? SessionNetworkID.spaceSize : cap
        guard floor >= 0, floor <= floorMax else {
            throw .invalid(field: "floor", why: "must be from 0 to \(floorMax)")
        }
    }

    /// - Parameter rank: the application's class in a shortage; nil leaves it as it is.
    public func setQuota(
        _ application: ApplicationID, cap: Int, floor: Int, rank: ClassRank? = nil
    ) throws(BookError) -> [BookEvent] {
        guard !retired.contains(application) else { throw .retired(application) }
        try Self.check(cap: cap, floor: floor)
        let account = accounts[application]
        var changed = account ?? Account()
        changed.floor = floor
        let debt = floorDebt - (account?.floorDebt ?? 0) + changed.floorDebt
        // A lower floor helps, also where the sum is not met yet.
        guard debt <= max(grantable, floorDebt) else { throw .exhausted(wanted: floor, free: free) }
        var events: [BookEvent] = []
        if cap != account?.cap ?? 0 || floor != account?.floor ?? 0 {
            events.append(.quotaSet(application, cap: cap, floor: floor))
        }
        if let rank, rank != account?.rank ?? .lowest { events.append(.ranked(application, rank)) }
        return events
    }

    public func forget(_ application: ApplicationID) throws(BookError) -> [BookEvent] {
        guard !retired.contains(application) else { throw .retired(application) }
        let owned = owned(by: application)
        guard owned == 0 else { throw .stillOwns(application, identifiers: owned) }
        return [.applicationForgotten(application)]
    }
}
