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
}
