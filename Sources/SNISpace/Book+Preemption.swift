public import NetworkTypes

/// What a shortage takes from applications of lower classes. A plan: nothing has happened yet.
public struct PreemptionPlan: Hashable, Sendable {
    /// Reserved and not leased: free as soon as it is unreserved.
    public struct Reserved: Hashable, Sendable {
        public var block: SNIBlock
        public var application: ApplicationID
        public var claim: ReservationID
    }
    /// How far the search came before it had looked at enough.
    public struct Rest: Hashable, Sendable {
        var reserved: ClaimPlace?
        var leased: ClaimPlace?
    }
    /// In the order of taking.
    public var reserved: [Reserved] = []
    /// Unbound blocks to mark, in the order of taking; they come free through the handshake.
    public var blocks: [BlockLease] = []
    /// Identifiers that all of it would free.
    public var identifiers = 0
    /// Identifiers that were asked for and that nothing may be taken for.
    public var missing = 0
    /// Where the next search goes on; nil when this one saw everything or found enough.
    public var rest: Rest?
    public init() {}
}

extension Book {
    /// Claims and blocks that one search for what to preempt looks at, of each.
    public static let preemptionLooksMax = 4096

    /// Chooses what applications of lower classes give up for one of a higher class: first what they reserved, then
    /// blocks that no VM uses; of each the lowest class first, then the latest expiry (see ``setExpiry(of:at:)``). A
    /// leased block that no claim covers goes before those that one covers. Never below a floor.
    ///
    /// What can be taken is kept in this order, so that the search costs what it takes and what it has to pass over:
    /// blocks in use, and applications at their floor. After ``preemptionLooksMax`` of those it stops, and says where
    /// it goes on.
    ///
    /// - Parameters:
    ///   - count: identifiers wanted.
    ///   - rank: only applications of lower rank give anything.
    ///   - rest: of the search before that did not find enough.
    ///   - isBound: true when a VM is bound or held in the block; such a block is never taken.
    public func preempt(
        for application: ApplicationID, count: Int, rank: ClassRank, from rest: PreemptionPlan.Rest? = nil,
        isBound: (SNIBlock) -> Bool
    ) throws(BookError) -> PreemptionPlan {
        guard count > 0, count <= SessionNetworkID.spaceSize else {
            throw .invalid(field: "count", why: "must be from 1 to \(SessionNetworkID.spaceSize)")
        }
        var search = PreemptionSearch(count: count, rank: rank, taker: accounts.number(of: application))
        var reached = PreemptionPlan.Rest()
        reached.reserved = search.run(over: spareClaims, after: rest?.reserved) { place, search in
            takeReserved(at: place, &search)
        }
        reached.leased = search.run(over: leasedClaims, after: rest?.leased) { place, search in
            takeLeased(at: place, &search, isBound)
        }
        search.plan.missing = max(0, count - search.plan.identifiers)
        if reached != PreemptionPlan.Rest() { search.plan.rest = reached }
        return search.plan
    }

    /// When a claim ends, on the clock of who counts its life down: the order of preemption. Until it is said, claims
    /// stand by their lifetimes. Not stored, and no part of what the book is equal by.
    public mutating func setExpiry(of id: ReservationID, at instant: Instant) {
        guard let claim = claims.number(of: id) else { return }
        move(claim: claim, to: instant)
    }

    private func takeReserved(at place: ClaimPlace, _ search: inout PreemptionSearch) {
        let left = search.left(of: place.owner, accounts) & ~3
        guard left > 0, let page = pages[chunk: place.first >> UInt32(plan.chunkOrder)] else { return }
        guard let claim = place.number else { return }
        let reservation = claims[claim].reservation
        for piece in page.pieces(of: claim, within: page.node(reservation.block)) {
            // What leaves the pool would help nobody.
            for block in page.idle.nodes(within: piece).flatMap({ grantable(of: page.block($0)) }) {
                let wanted = min(search.wanted, search.left(of: place.owner, accounts) & ~3)
                for part in trimmed(block, to: wanted) {
                    search.plan.reserved.append(
                        .init(block: part, application: reservation.application, claim: reservation.id))
                    search.take(part.size, of: place.owner)
                }
            }
        }
    }

    private func takeLeased(at place: ClaimPlace, _ search: inout PreemptionSearch, _ isBound: (SNIBlock) -> Bool) {
        guard search.left(of: place.owner, accounts) > 0,
            let page = pages[chunk: place.first >> UInt32(plan.chunkOrder)]
        else { return }
        for record in leases(at: place, in: page) where search.wanted > 0 {
            guard record.state == .leased || record.state == .staged, search.seen.insert(record.first).inserted else {
                continue
            }
            search.looks += 1
            guard search.left(of: place.owner, accounts) >= record.size, !isBound(record.block),
                subleases(of: record.block).isEmpty, excluding.touching(record.block.range).isEmpty
            else { continue }
            search.plan.blocks.append(view(record))
            search.take(record.size, of: place.owner)
        }
    }

    /// Leased blocks that a claim covers, or parts of; or those of an application in a chunk that no claim covers.
    private func leases(at place: ClaimPlace, in page: Page) -> [LeaseRecord] {
        var found: [LeaseRecord] = []
        guard let claim = place.number else {
            page.forEachLease { record in
                guard record.application == place.owner, page.pieces(touching: page.node(record.block)).isEmpty else {
                    return
                }
                found.append(record)
            }
            return found
        }
        for piece in page.pieces(of: claim, within: page.node(claims[claim].reservation.block)) {
            let range = page.block(piece).range
            if let slot = page.slot(around: range.first.rawValue), page.records[slot].first < range.first.rawValue {
                found.append(page.records[slot])
            }
            page.forEachLease(from: range.first.rawValue, to: range.end) { found.append($0) }
        }
        return found
    }

    /// The first `count` identifiers of a block, as aligned blocks.
    private func trimmed(_ block: SNIBlock, to count: Int) -> [SNIBlock] {
        guard count > 0 else { return [] }
        guard count < block.size else { return [block] }
        return PoolPlan.blocks(of: SNIRange(unchecked: block.first.rawValue, count: count), orderMax: block.order)
    }
}

/// A search under way.
private struct PreemptionSearch {
    var plan = PreemptionPlan()
    /// Blocks that were looked at: two claims may cover parts of one.
    var seen: Set<UInt32> = []
    var looks = 0
    let count: Int
    let rank: ClassRank
    let taker: UInt32?
    private var taken: [UInt32: Int] = [:]

    init(count: Int, rank: ClassRank, taker: UInt32?) {
        self.count = count
        self.rank = rank
        self.taker = taker
    }

    /// Identifiers that are still wanted, in whole granules.
    var wanted: Int { max(0, count - plan.identifiers + 3) & ~3 }

    /// What an application may still lose.
    func left(of application: UInt32, _ accounts: Registry<ApplicationID, Account>) -> Int {
        accounts[application].spare - (taken[application] ?? 0)
    }

    mutating func take(_ identifiers: Int, of application: UInt32) {
        plan.identifiers += identifiers
        taken[application, default: 0] += identifiers
    }

    /// Where it stopped before the end without having found enough.
    mutating func run(
        over claims: SortedPieces<ClaimPlace>, after start: ClaimPlace?,
        _ take: (ClaimPlace, inout PreemptionSearch) -> Void
    ) -> ClaimPlace? {
        var reached: ClaimPlace?
        looks = 0
        claims.forEach(after: start) { place in
            guard place.rank < rank, wanted > 0 else {
                reached = nil
                return false
            }
            guard looks < Book.preemptionLooksMax else { return false }
            looks += 1
            reached = place
            if place.owner != taker { take(place, &self) }
            return true
        }
        // The last one of all is no place to go on from.
        return looks < Book.preemptionLooksMax ? nil : reached
    }
}
