import NetworkTypes

/// From a snapshot back to the book. A snapshot is input: its bytes may be whole and its content still impossible, from
/// a program with a bug or a hand that edited it, and a book that believed it would hand out identifiers twice.
extension Book {
    /// Epochs and cursors only rise; far below the end of their type nothing that is added to them overflows.
    static let counterMax = UInt64.max >> 1

    /// The book that ``snapshot`` was taken of.
    ///
    /// An application may own more than its cap, and floors may promise more than is free: caps may be set below what
    /// is owned, and what hosts hold is adopted whatever was promised.
    ///
    /// - Throws: `overlapping`, `outsidePool`, `retired`, `unknownBlock` (a sub-lease in no lease), `stale` (an epoch
    ///   beyond the book's), `invalid`, or `contradictory` for everything else that no book says of itself. Lists out
    ///   of their order are refused, too: they are no snapshot of a book.
    public init(restoring snapshot: BookSnapshot) throws(BookError) {
        self.init(plan: snapshot.plan)
        guard snapshot.epoch.rawValue <= Self.counterMax else {
            throw .contradictory(part: "epoch", why: "\(snapshot.epoch) is beyond \(Self.counterMax)")
        }
        lastEpoch = snapshot.epoch
        try restoreRetired(snapshot.retired)
        try restoreChunks(snapshot.chunks)
        try restoreQuotas(snapshot.quotas)
        try ascending(snapshot.holdings, "claims") { $0.reservation.id }
        for holding in snapshot.holdings { try restore(holding) }
        try disjoint(snapshot.leases.map(\.block.range))
        for lease in snapshot.leases { try restore(lease) }
        try disjoint(snapshot.subleases.map(\.block.range))
        for lease in snapshot.subleases { try restoreSublease(lease) }
        try restoreExcluding(snapshot.excluding)
        try checkNoEmptyChunk()
        try restoreHistory(snapshot)
    }

    // MARK: Lists

    /// Strictly, so that nothing stands twice.
    private func ascending<Element, Key: Comparable>(
        _ list: [Element], _ part: String, by key: (Element) -> Key
    ) throws(BookError) {
        for (element, next) in zip(list, list.dropFirst()) where key(element) >= key(next) {
            throw .contradictory(part: part, why: "\(key(next)) follows \(key(element))")
        }
    }

    private func disjoint(_ ranges: [SNIRange]) throws(BookError) {
        for (range, next) in zip(ranges, ranges.dropFirst()) where next.first.rawValue < range.end {
            throw .overlapping(range, next)
        }
    }

    private func alive(_ application: ApplicationID) throws(BookError) {
        guard !retired.contains(application) else { throw .retired(application) }
    }

    private func checkPlace(_ block: SNIBlock) throws(BookError) -> Int {
        guard plan.contains(block.range) else { throw .outsidePool(block.range) }
        guard block.order <= plan.chunkOrder, let place = pages.place(of: plan.chunk(of: block.first)) else {
            throw .contradictory(part: "chunks", why: "\(block) is owned and lies in no open chunk")
        }
        return place
    }

    // MARK: Applications and chunks

    private mutating func restoreRetired(_ applications: [ApplicationID]) throws(BookError) {
        try ascending(applications, "retired") { $0 }
        retired = Set(applications)
    }

    private mutating func restoreChunks(_ chunks: [BookSnapshot.OpenChunk]) throws(BookError) {
        try ascending(chunks, "chunks") { $0.index }
        for chunk in chunks {
            guard chunk.index >= 0, chunk.index < order.count else {
                throw .contradictory(part: "chunks", why: "index \(chunk.index) of \(order.count)")
            }
            let number = order.chunk(at: chunk.index)
            guard !plan.usable(in: number).isEmpty else {
                throw .outsidePool(SNIBlock(aligned: number << UInt32(plan.chunkOrder), order: plan.chunkOrder).range)
            }
            open(chunk.index, chunk.home, isHot: chunk.isHot)
        }
    }

    private mutating func restoreQuotas(_ quotas: [BookSnapshot.Quota]) throws(BookError) {
        try ascending(quotas, "quotas") { $0.application }
        for quota in quotas {
            try alive(quota.application)
            try Self.check(cap: quota.cap, floor: quota.floor)
            guard quota.cap != 0 || quota.floor != 0 || quota.rank != .lowest else {
                throw .contradictory(part: "quotas", why: "that of \(quota.application) says nothing")
            }
            adjust(quota.application) { account in
                account.cap = quota.cap
                account.floor = quota.floor
                account.rank = quota.rank
            }
        }
    }

    /// A chunk closes when nobody owns anything in it any more.
    private func checkNoEmptyChunk() throws(BookError) {
        try pages.forEach { (page: Page) throws(BookError) in
            guard page.isEmpty else { return }
            throw .contradictory(part: "chunks", why: "\(page.number) is open, and nobody owns anything in it")
        }
    }

    // MARK: Claims

    private mutating func restore(_ holding: BookSnapshot.Holding) throws(BookError) {
        let reservation = holding.reservation
        try alive(reservation.application)
        try Self.check(lifetime: reservation.lifetime)
        guard !holding.pieces.isEmpty else {
            throw .contradictory(part: "claims", why: "\(reservation.id) has nothing left and is in force")
        }
        try disjoint(holding.pieces.map(\.range))
        for (piece, next) in zip(holding.pieces, holding.pieces.dropFirst())
        where piece.size == next.size && piece.first.rawValue ^ next.first.rawValue == UInt32(piece.size) {
            throw .contradictory(part: "claims", why: "\(piece) and \(next) of \(reservation.id) are one piece")
        }
        let place = try checkPlace(reservation.block)
        let application = accounts.intern(reservation.application, Account())
        for piece in holding.pieces {
            guard piece.order >= 2, reservation.block.range.contains(piece.range) else {
                throw .contradictory(
                    part: "claims", why: "\(piece) is no part of \(reservation.block) of \(reservation.id)")
            }
            guard pages[place].isFree(pages[place].node(piece)) else { throw conflict(over: piece, at: place) }
            take(piece, for: application, at: place)
        }
        insertClaim(reservation, pieces: holding.pieces, of: application, at: place)
    }

    /// Why a block of the pool is not free.
    private func conflict(over block: SNIBlock, at place: Int) -> BookError {
        let page = pages[place]
        let area = page.node(block)
        guard let range = page.ranges.enclosing(area) ?? page.ranges.nodes(within: area).first else {
            return .outsidePool(block.range)
        }
        return .overlapping(block.range, page.block(range).range)
    }

    // MARK: Leases

    private mutating func restore(_ lease: BlockLease) throws(BookError) {
        guard SNIBlock.leasableSizes.contains(lease.block.size) else {
            throw .contradictory(part: "leases", why: "\(lease.block) has a size that is not leased")
        }
        try check(lease, part: "leases")
        let place = try checkPlace(lease.block)
        let application = accounts.intern(lease.application, Account())
        guard takeMissing(pages[place].node(lease.block), for: application, at: place) else {
            throw conflict(over: lease.block, at: place)
        }
        insertLease(lease, of: application, at: place)
        noteUnclaimed(of: application, in: pages[place].number)
    }

    /// A claim may cover all of a leased block, parts of it, or nothing. False when somebody else has a part.
    private mutating func takeMissing(_ node: Node, for application: UInt32, at place: Int) -> Bool {
        if pages[place].isIdle(node, of: application) { return true }
        let block = pages[place].block(node)
        if pages[place].isFree(node) {
            take(block, for: application, at: place)
            return true
        }
        return block.order > 2 && takeMissing(Node(node.raw << 1), for: application, at: place)
            && takeMissing(Node(node.raw << 1 | 1), for: application, at: place)
    }

    private mutating func restoreSublease(_ lease: BlockLease) throws(BookError) {
        guard lease.block.size == 1 else {
            throw .contradictory(part: "sub-leases", why: "\(lease.block) is no single identifier")
        }
        try check(lease, part: "sub-leases")
        guard let around = blockLease(around: lease.block.first) else { throw .unknownBlock(lease.block) }
        guard around.application == lease.application, around.host != lease.host else {
            throw .contradictory(
                part: "sub-leases",
                why: "\(lease.block) of \(lease.application) at \(lease.host) lies in \(around.block) of"
                    + " \(around.application) at \(around.host)")
        }
        insertSublease(lease)
    }

    /// What a lease says of itself.
    private func check(_ lease: BlockLease, part: String) throws(BookError) {
        try alive(lease.application)
        guard lease.epoch <= lastEpoch else { throw .stale(lease.block, named: lease.epoch, inForce: lastEpoch) }
        guard lease.grantEpoch.rawValue > 0, lease.grantEpoch <= lease.epoch else {
            throw .contradictory(
                part: part, why: "\(lease.block) was granted in epoch \(lease.grantEpoch) and is in \(lease.epoch)")
        }
        let isGoing = lease.state != .leased && lease.state != .staged
        guard isGoing || (lease.reason.isEmpty && !lease.force && !lease.stagedBeforeMark) else {
            throw .contradictory(part: part, why: "\(lease.block) is \(lease.state.rawValue) and being reclaimed")
        }
        guard !lease.fenced || lease.state == .draining || lease.state == .quarantined else {
            throw .contradictory(part: part, why: "\(lease.block) is fenced and \(lease.state.rawValue)")
        }
    }

    // MARK: Exclusions and history

    private mutating func restoreExcluding(_ ranges: [SNIRange]) throws(BookError) {
        try disjoint(ranges)
        guard PoolPlan.joined(ranges) == ranges else {
            throw .contradictory(part: "excluding", why: "ranges that touch are one range")
        }
        for range in ranges {
            guard plan.contains(range) else { throw .outsidePool(range) }
            applyExcluded(range)
        }
    }

    private mutating func restoreHistory(_ snapshot: BookSnapshot) throws(BookError) {
        guard snapshot.answers.count <= AnswerLog.countMax else {
            throw .contradictory(part: "answers", why: "\(snapshot.answers.count) of \(AnswerLog.countMax)")
        }
        for answer in snapshot.answers {
            guard !answer.idempotencyKey.isEmpty, answers[answer.idempotencyKey] == nil else {
                throw .contradictory(part: "answers", why: "key '\(answer.idempotencyKey)' is empty or stands twice")
            }
            answers.record(answer)
        }
        let last = snapshot.reclaimedLast
        let count = UInt64(snapshot.reclaimed.count)
        guard last <= Self.counterMax, count <= last, snapshot.reclaimed.count <= ReclaimedLog.countMax else {
            throw .contradictory(part: "reclaimed", why: "\(count) entries of \(last)")
        }
        for (entry, cursor) in zip(snapshot.reclaimed, (last - count + 1)...) {
            guard entry.cursor == cursor else {
                throw .contradictory(part: "reclaimed", why: "cursor \(entry.cursor) stands where \(cursor) belongs")
            }
            guard plan.contains(entry.block.range) else { throw .outsidePool(entry.block.range) }
        }
        reclaimedLog = ReclaimedLog(last: last, entries: snapshot.reclaimed)
    }
}
