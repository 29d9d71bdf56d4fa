public import NetworkTypes

/// The whole book in the form that a store keeps: what cannot be derived, and nothing else.
public struct BookSnapshot: Hashable, Sendable, Codable {
    public struct OpenChunk: Hashable, Sendable, Codable {
        public var index: Int
        public var home: ApplicationID
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
    public var epoch: Epoch
    public var answers: [Reservation]
    public var reclaimed: [ReclaimedBlock]
    public var reclaimedLast: UInt64
}

extension Book {
    public var snapshot: BookSnapshot {
        BookSnapshot(
            plan: plan,
            chunks: chunks.values.sorted { $0.index < $1.index }.map { .init(index: $0.index, home: $0.home) },
            quotas: accounts.sorted { $0.key < $1.key }
                .filter { $0.value.cap != 0 || $0.value.floor != 0 || $0.value.rank != .lowest }
                .map { .init(application: $0.key, cap: $0.value.cap, floor: $0.value.floor, rank: $0.value.rank) },
            holdings: claims.values.sorted { $0.reservation.id < $1.reservation.id }
                .map { .init(reservation: $0.reservation, pieces: $0.pieces.sorted()) },
            leases: allLeases, subleases: allSubleases, excluding: excluding, epoch: lastEpoch, answers: answers.all,
            reclaimed: Array(reclaimedLog.entries),
            reclaimedLast: reclaimedLog.last)
    }

    public init(restoring snapshot: BookSnapshot) {
        self.init(plan: snapshot.plan)
        for chunk in snapshot.chunks { open(chunk.index, chunk.home) }
        for quota in snapshot.quotas {
            apply(.quotaSet(quota.application, cap: quota.cap, floor: quota.floor))
            apply(.ranked(quota.application, quota.rank))
        }
        for holding in snapshot.holdings { restore(holding) }
        for lease in snapshot.leases { restore(lease) }
        for lease in snapshot.subleases { insertSublease(lease) }
        for range in snapshot.excluding { apply(.excluded(range)) }
        lastEpoch = snapshot.epoch
        for answer in snapshot.answers { answers.record(answer) }
        reclaimedLog = ReclaimedLog(last: snapshot.reclaimedLast, entries: snapshot.reclaimed)
    }

    private mutating func restore(_ holding: BookSnapshot.Holding) {
        let reservation = holding.reservation
        for piece in holding.pieces {
            take(piece, for: reservation.application)
            accounts[reservation.application]?.idle.insert(piece)
            pieces.insert(piece, of: reservation.id)
        }
        accounts[reservation.application]?.reservations.insert(reservation.id)
        claims[reservation.id] = Claim(reservation: reservation, pieces: Set(holding.pieces))
    }

    private mutating func restore(_ lease: BlockLease) {
        // A claim may cover all of the block, parts of it, or nothing.
        let application = lease.application
        var missing = BuddyIndex(orderMax: plan.chunkOrder)
        missing.insert(lease.block)
        for covered in accounts[application]?.idle.extract(within: lease.block) ?? [] { missing.remove(covered) }
        for part in missing.blocks { take(part, for: application) }
        insertLease(lease)
        if [.leased, .staged, .marked].contains(lease.state) { accounts[application]?.active.insert(lease.block) }
    }
}
