public import NetworkTypes

/// The whole book in the form that a store keeps: what cannot be derived, and nothing else.
public struct BookSnapshot: Hashable, Sendable, Codable {
    public struct OpenChunk: Hashable, Sendable, Codable {
        public var index: Int
        public var home: ApplicationID
        public var isHot: Bool
    }
    public struct Quota: Hashable, Sendable, Codable {
        public var application: ApplicationID
        public var cap: Int
        public var floor: Int
        public var rank: ClassRank
    }
    public struct Holding: Hashable, Sendable, Codable {
        public var reservation: Reservation
        public var pieces: [SNIBlock]
    }
    public var plan: PoolPlan
    /// In the keyed order.
    public var chunks: [OpenChunk]
    public var quotas: [Quota]
    public var holdings: [Holding]
    public var leases: [BlockLease]
    public var subleases: [BlockLease]
    public var excluding: [SNIRange]
    public var retired: [ApplicationID]
    public var epoch: Epoch
    public var answers: [Reservation]
    public var reclaimed: [ReclaimedBlock]
    public var reclaimedLast: UInt64
}

extension Book {
    /// Reads every block and every application.
    public var snapshot: BookSnapshot {
        var chunks: [BookSnapshot.OpenChunk] = []
        pages.forEach { chunks.append(.init(index: $0.index, home: accounts.key($0.home), isHot: $0.isHot)) }
        let quotas = applications.compactMap { id -> BookSnapshot.Quota? in
            guard let account = accounts[id] else { return nil }
            guard account.cap != 0 || account.floor != 0 || account.rank != .lowest else { return nil }
            return .init(application: id, cap: account.cap, floor: account.floor, rank: account.rank)
        }
        let holdings = claims.all.map { claims[$0.number].reservation }.sorted { $0.id < $1.id }
            .map { BookSnapshot.Holding(reservation: $0, pieces: pieces(of: $0.id)) }
        return BookSnapshot(
            plan: plan, chunks: chunks.sorted { $0.index < $1.index }, quotas: quotas, holdings: holdings,
            leases: allLeases, subleases: allSubleases, excluding: excluding, retired: retired.sorted(),
            epoch: lastEpoch, answers: answers.all,
            reclaimed: Array(reclaimedLog.entries), reclaimedLast: reclaimedLog.last)
    }

    public init(restoring snapshot: BookSnapshot) {
        self.init(plan: snapshot.plan)
        for chunk in snapshot.chunks { open(chunk.index, chunk.home, isHot: chunk.isHot) }
        for quota in snapshot.quotas {
            adjust(quota.application) { account in
                account.cap = quota.cap
                account.floor = quota.floor
                account.rank = quota.rank
            }
        }
        for holding in snapshot.holdings { restore(holding) }
        for lease in snapshot.leases { restore(lease) }
        for lease in snapshot.subleases { insertSublease(lease) }
        for range in snapshot.excluding { applyExcluded(range) }
        retired = Set(snapshot.retired)
        lastEpoch = snapshot.epoch
        for answer in snapshot.answers { answers.record(answer) }
        reclaimedLog = ReclaimedLog(last: snapshot.reclaimedLast, entries: snapshot.reclaimed)
    }

    private mutating func restore(_ holding: BookSnapshot.Holding) {
        let reservation = holding.reservation
        let application = accounts.intern(reservation.application, Account())
        guard let place = pages.place(of: plan.chunk(of: reservation.block.first)) else {
            preconditionFailure("\(reservation.id) claims something in a chunk that is not open")
        }
        for piece in holding.pieces { take(piece, for: application, at: place) }
        insertClaim(reservation, pieces: holding.pieces, of: application, at: place)
    }

    private mutating func restore(_ lease: BlockLease) {
        let application = accounts.intern(lease.application, Account())
        guard let place = pages.place(of: plan.chunk(of: lease.block.first)) else {
            preconditionFailure("\(lease.block) is leased in a chunk that is not open")
        }
        takeMissing(pages[place].node(lease.block), for: application, at: place)
        insertLease(lease, of: application, at: place)
    }

    /// A claim may cover all of a leased block, parts of it, or nothing.
    private mutating func takeMissing(_ node: Node, for application: UInt32, at place: Int) {
        if pages[place].isIdle(node, of: application) { return }
        if pages[place].idle.nodes(within: node).isEmpty {
            return take(pages[place].block(node), for: application, at: place)
        }
        takeMissing(Node(node.raw << 1), for: application, at: place)
        takeMissing(Node(node.raw << 1 | 1), for: application, at: place)
    }
}
