public import NetworkTypes

/// What a shortage takes from applications of lower classes. A plan: nothing has happened yet.
public struct PreemptionPlan: Hashable, Sendable {
    /// Reserved and not leased: free as soon as it is unreserved.
    public struct Reserved: Hashable, Sendable {
        public var block: SNIBlock
        public var application: ApplicationID
        public var claim: ReservationID
    }
    /// In the order of taking.
    public var reserved: [Reserved] = []
    /// Unbound blocks to mark, in the order of taking; they come free through the handshake.
    public var blocks: [BlockLease] = []
    /// Identifiers that all of it would free.
    public var identifiers = 0
    /// Identifiers that were asked for and that nothing may be taken for.
    public var missing = 0
    public init() {}
}

extension Book {
    /// Chooses what applications of lower classes give up for one of a higher class: first what they reserved, then
    /// blocks that no VM uses; of each the lowest class first, then the latest expiry. Never below a floor.
    ///
    /// - Parameters:
    ///   - count: identifiers wanted.
    ///   - rank: only applications of lower rank give anything.
    ///   - expiry: remaining life of a claim. A leased block that no claim covers goes before those that one covers.
    ///   - isBound: true when a VM is bound or held in the block; such a block is never taken.
    public func preempt(
        for application: ApplicationID, count: Int, rank: ClassRank, expiry: (ReservationID) -> Duration,
        isBound: (SNIBlock) -> Bool
    ) throws(BookError) -> PreemptionPlan {
        guard count > 0, count <= SessionNetworkID.spaceSize else {
            throw .invalid(field: "count", why: "must be from 1 to \(SessionNetworkID.spaceSize)")
        }
        let victims = accounts.all.map(\.number)
            .filter { accounts.key($0) != application && accounts[$0].rank < rank && accounts[$0].spare > 0 }
        var spare: [ApplicationID: Int] = [:]
        for victim in victims { spare[accounts.key(victim)] = accounts[victim].spare }
        var plan = PreemptionPlan()
        for piece in reservedPieces(of: victims, expiry: expiry) where plan.identifiers < count {
            let wanted = min((count - plan.identifiers + 3) & ~3, (spare[piece.application] ?? 0) & ~3)
            for part in trimmed(piece.block, to: wanted) {
                plan.reserved.append(.init(block: part, application: piece.application, claim: piece.claim))
                plan.identifiers += part.size
                spare[piece.application, default: 0] -= part.size
            }
        }
        for lease in unboundLeases(of: victims, expiry: expiry) where plan.identifiers < count {
            guard spare[lease.application] ?? 0 >= lease.block.size, !isBound(lease.block) else { continue }
            plan.blocks.append(lease)
            plan.identifiers += lease.block.size
            spare[lease.application, default: 0] -= lease.block.size
        }
        plan.missing = max(0, count - plan.identifiers)
        return plan
    }

    private func reservedPieces(
        of victims: [UInt32], expiry: (ReservationID) -> Duration
    ) -> [PreemptionPlan.Reserved] {
        var ranked: [(rank: ClassRank, expiry: Duration, piece: PreemptionPlan.Reserved)] = []
        for victim in victims {
            let application = accounts.key(victim)
            for claim in claimNumbers(of: application) {
                let reservation = claims[claim].reservation
                guard let page = pages[chunk: plan.chunk(of: reservation.block.first)] else { continue }
                let left = expiry(reservation.id)
                for piece in page.pieces(of: claim, within: page.node(reservation.block)) {
                    // What leaves the pool would help nobody.
                    for block in page.idle.nodes(within: piece).flatMap({ grantable(of: page.block($0)) }) {
                        let piece = PreemptionPlan.Reserved(
                            block: block, application: application, claim: reservation.id)
                        ranked.append((accounts[victim].rank, left, piece))
                    }
                }
            }
        }
        ranked.sort { ($0.rank, $1.expiry, $0.piece.block) < ($1.rank, $0.expiry, $1.piece.block) }
        return ranked.map(\.piece)
    }

    private func unboundLeases(of victims: [UInt32], expiry: (ReservationID) -> Duration) -> [BlockLease] {
        var ranked: [(rank: ClassRank, expiry: Duration, lease: BlockLease)] = []
        for victim in victims {
            for lease in leases(of: accounts.key(victim)) where lease.state == .leased || lease.state == .staged {
                guard subleases(of: lease.block).isEmpty, excluding.touching(lease.block.range).isEmpty else {
                    continue
                }
                let lives = claims(around: lease.block).map { expiry(claims[$0].reservation.id) }
                ranked.append((accounts[victim].rank, lives.max() ?? .seconds(Int64.max), lease))
            }
        }
        ranked.sort { ($0.rank, $1.expiry, $0.lease.block) < ($1.rank, $0.expiry, $1.lease.block) }
        return ranked.map(\.lease)
    }

    /// The claims that cover a block or parts of it.
    private func claims(around block: SNIBlock) -> [UInt32] {
        guard let page = pages[chunk: plan.chunk(of: block.first)] else { return [] }
        return page.pieces(touching: page.node(block)).map(page.claim(of:))
    }

    /// The first `count` identifiers of a block, as aligned blocks.
    private func trimmed(_ block: SNIBlock, to count: Int) -> [SNIBlock] {
        guard count > 0 else { return [] }
        guard count < block.size else { return [block] }
        return PoolPlan.blocks(of: SNIRange(unchecked: block.first.rawValue, count: count), orderMax: block.order)
    }
}
