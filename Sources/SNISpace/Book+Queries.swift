public import NetworkTypes

/// Identifiers of one owner by what happens to them.
public struct Holdings: Hashable, Sendable {
    /// Owned by ranges, in any state.
    public var owned = 0
    /// Not leased.
    public var reserved = 0
    /// Leased or staged, in use or not.
    public var leased = 0
    /// Marked or draining.
    public var reclaiming = 0
    public var quarantined = 0
    public init() {}
}

extension Book {
    /// Usable identifiers of the pool, without those that left it.
    public var capacity: Int { planned - withdrawn }

    /// Identifiers that nobody owns.
    public var free: Int { capacity - ownedTotal }

    /// The highest epoch given out.
    public var epoch: Epoch { lastEpoch }

    public func owned(by application: ApplicationID) -> Int { accounts[application]?.owned.identifiers ?? 0 }

    public var holdings: Holdings { holdings(byState, owned: ownedTotal) }

    public func holdings(of application: ApplicationID) -> Holdings {
        guard let account = accounts[application] else { return Holdings() }
        return holdings(account.byState, owned: account.owned.identifiers)
    }

    private func holdings(_ counts: StateCounts, owned: Int) -> Holdings {
        var holdings = Holdings()
        holdings.owned = owned
        holdings.leased = counts[.leased] + counts[.staged]
        holdings.reclaiming = counts[.marked] + counts[.draining]
        holdings.quarantined = counts[.quarantined]
        holdings.reserved = owned - holdings.leased - holdings.reclaiming - holdings.quarantined
        return holdings
    }

    public func quota(of application: ApplicationID) -> (cap: Int, floor: Int) {
        (accounts[application]?.cap ?? 0, accounts[application]?.floor ?? 0)
    }

    public func rank(of application: ApplicationID) -> ClassRank { accounts[application]?.rank ?? .lowest }

    /// The lease of exactly this block, or the sub-lease when its size is 1.
    public func lease(of block: SNIBlock) -> BlockLease? {
        if block.size == 1 { return subleased[block.first.rawValue] }
        guard let lease = leases[block.first.rawValue], lease.block == block else { return nil }
        return lease
    }

    /// The lease around an identifier: its sub-lease if it has one, else its block's.
    public func lease(around sni: SessionNetworkID) -> BlockLease? {
        subleased[sni.rawValue] ?? blockLease(around: sni)
    }

    /// The lease of the block around an identifier, whoever has the identifier itself.
    public func blockLease(around sni: SessionNetworkID) -> BlockLease? {
        for order in 2...8 {
            let first = sni.rawValue & ~(UInt32(1) << UInt32(order) - 1)
            if let lease = leases[first], lease.block.order >= order, lease.block.contains(sni) { return lease }
        }
        return nil
    }

    /// Leases of an application by block, in any state.
    public func leases(of application: ApplicationID) -> [BlockLease] {
        (accounts[application]?.leases).map { $0.compactMap { leases[$0] } } ?? []
    }

    /// Leases of an application that share identifiers with a range, by block.
    public func leases(of application: ApplicationID, touching range: SNIRange) -> [BlockLease] {
        guard let firsts = accounts[application]?.leases else { return [] }
        return leases(touching: range, among: firsts)
    }

    /// Leases of anybody that share identifiers with a range, by block.
    public func leases(touching range: SNIRange) -> [BlockLease] { leases(touching: range, among: leaseFirsts) }

    private func leases(touching range: SNIRange, among firsts: IdentifierSet) -> [BlockLease] {
        var found: [BlockLease] = []
        if let lease = blockLease(around: range.first), firsts.contains(lease.block.first.rawValue) {
            found.append(lease)
        }
        var cursor = range.first.rawValue + 1
        while let first = firsts.next(from: cursor), first < range.end {
            if let lease = leases[first] { found.append(lease) }
            cursor = first + 1
        }
        return found
    }

    /// Leases of a host by block, in any state.
    public func leases(of host: HostID) -> [BlockLease] {
        hostLeases[host].map { $0.compactMap { leases[$0] } } ?? []
    }

    public var allLeases: [BlockLease] { leases.values.sorted { $0.block < $1.block } }
    public var leaseCount: Int { leases.count }
    public func leaseCount(of host: HostID) -> Int { hostLeases[host]?.count ?? 0 }

    /// Ranges that an application owns: maximal aligned blocks, ascending.
    public func ranges(of application: ApplicationID) -> [SNIBlock] { accounts[application]?.owned.blocks ?? [] }

    /// What hosts and peers carry of an application (leased, staged or marked), adjacent blocks joined.
    ///
    /// Reserved identifiers are left out on purpose: they may return to the free space without a handshake, so no
    /// kernel may ever have heard of them.
    public func activeRuns(of application: ApplicationID) -> [SNIRange] { accounts[application]?.active.runs ?? [] }

    /// Identifiers owned and not leased, as maximal aligned blocks.
    public func idleBlocks(of application: ApplicationID) -> [SNIBlock] { accounts[application]?.idle.blocks ?? [] }

    /// True when a block of that order can be leased without a new reservation.
    public func hasIdle(_ application: ApplicationID, order: Int) -> Bool {
        accounts[application]?.idle.bestFit(order: order) != nil
    }

    /// Applications that own something or have a quota.
    public var applications: [ApplicationID] { accounts.keys.sorted() }

    public func reservation(_ id: ReservationID) -> Reservation? { claims[id]?.reservation }

    /// What is left of a reservation, ascending.
    public func pieces(of id: ReservationID) -> [SNIBlock] { claims[id]?.pieces.sorted() ?? [] }

    /// Reservations in force, by application, then range.
    public func reservations(of application: ApplicationID? = nil) -> [Reservation] {
        let chosen: [Reservation]
        if let application {
            chosen = (accounts[application]?.reservations ?? []).compactMap { claims[$0]?.reservation }
        } else {
            chosen = claims.values.map(\.reservation)
        }
        return chosen.sorted { ($0.application, $0.block, $0.id) < ($1.application, $1.block, $1.id) }
    }

    /// Who claims or leases an identifier; nil when it is free.
    public func owner(of sni: SessionNetworkID) -> ApplicationID? {
        if let lease = lease(around: sni) { return lease.application }
        guard let single = SNIBlock(first: sni, size: 1), let piece = pieces.overlapping(single).first else {
            return nil
        }
        return claims[piece.claim]?.reservation.application
    }

    /// The largest block around an identifier, of at most `order`, that its application has reserved and not leased.
    public func idleBlock(around sni: SessionNetworkID, order: Int) -> SNIBlock? {
        guard let owner = owner(of: sni), let idle = accounts[owner]?.idle else { return nil }
        for size in (0...order).reversed() {
            let first = SessionNetworkID(unchecked: sni.rawValue & ~(UInt32(1) << UInt32(size) - 1))
            if let block = SNIBlock(first: first, size: 1 << size), idle.enclosing(block) != nil { return block }
        }
        return nil
    }

    /// What is reserved and not leased inside a range, by whom, as maximal aligned blocks that the range covers whole.
    public func idleBlocks(touching range: SNIRange) -> [(block: SNIBlock, application: ApplicationID)] {
        var found: [(SNIBlock, ApplicationID)] = []
        for block in PoolPlan.blocks(of: range, orderMax: plan.chunkOrder) {
            for piece in pieces.overlapping(block) {
                guard let owner = claims[piece.claim]?.reservation.application, let idle = accounts[owner]?.idle else {
                    continue
                }
                let part = piece.block.size < block.size ? piece.block : block
                found += idle.members(within: part).map { ($0, owner) }
            }
        }
        return found
    }

    /// State of one identifier; nil outside the pool, also when it left it.
    public func state(of sni: SessionNetworkID) -> IdentifierState? {
        guard plan.contains(SNIRange(unchecked: sni.rawValue, count: 1)) else { return nil }
        if let lease = lease(around: sni) { return IdentifierState(lease.state) }
        guard let chunk = chunks[plan.chunk(of: sni)], let single = SNIBlock(first: sni, size: 1) else {
            return excluding.contains { $0.contains(sni) } ? nil : .free
        }
        if chunk.withdrawn.enclosing(single) != nil { return nil }
        return chunk.free.enclosing(single) == nil ? .reserved : .free
    }

    /// Blocks that returned to the free space after `cursor`, each exactly once.
    public func reclaimed(after cursor: UInt64, limit: Int) -> [ReclaimedBlock] {
        reclaimedLog.after(cursor, limit: limit)
    }
}
