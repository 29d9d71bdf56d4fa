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

    public func owned(by application: ApplicationID) -> Int { accounts[application]?.owned ?? 0 }

    public var holdings: Holdings { holdings(byState, owned: ownedTotal) }

    public func holdings(of application: ApplicationID) -> Holdings {
        guard let account = accounts[application] else { return Holdings() }
        return holdings(account.byState, owned: account.owned)
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

    /// Applications that own something or have a quota, ascending.
    public var applications: [ApplicationID] {
        accounts.all.filter { accounts[$0.number].isKnown }.map(\.key).sorted()
    }

    /// Ranges that an application owns: maximal aligned blocks, ascending.
    public func ranges(of application: ApplicationID) -> [SNIBlock] {
        blocks(of: application) { page, number in page.ranges.nodes.filter { page.owner(of: $0) == number } }
    }

    /// Identifiers owned and not leased, as maximal aligned blocks, ascending.
    public func idleBlocks(of application: ApplicationID) -> [SNIBlock] {
        blocks(of: application) { page, number in
            page.idle.nodes.filter { page.owner(of: $0.granule(page.depth)) == number }
        }
    }

    /// Blocks of the pages of an application, ascending.
    private func blocks(of application: ApplicationID, _ nodes: (Page, UInt32) -> [Node]) -> [SNIBlock] {
        guard let number = accounts.number(of: application) else { return [] }
        return accounts[number].chunks.flatMap { chunk -> [SNIBlock] in
            guard let page = pages[chunk: chunk] else { return [] }
            return nodes(page, number).map(page.block)
        }
    }

    /// What hosts and peers carry of an application (leased, staged or marked), adjacent blocks joined.
    ///
    /// Reserved identifiers are left out on purpose: they may return to the free space without a handshake, so no
    /// kernel may ever have heard of them.
    public func activeRuns(of application: ApplicationID) -> [SNIRange] {
        guard let number = accounts.number(of: application) else { return [] }
        var runs: [Range<UInt32>] = []
        for chunk in accounts[number].chunks {
            for run in pages[chunk: chunk]?.carriedRuns(of: number) ?? [] { Page.append(run, to: &runs) }
        }
        if !subleaseFirsts.isEmpty { runs = joined(runs, singles: carriedSingles(of: application)) }
        return runs.map { SNIRange(unchecked: $0.lowerBound, count: $0.count) }
    }

    /// Sub-leases that outlive the life of their block.
    private func carriedSingles(of application: ApplicationID) -> [UInt32] {
        subleases(of: application).filter(\.isCarried).map(\.block.first)
            .filter { blockLease(around: $0)?.isCarried == false }.map(\.rawValue)
    }

    private func joined(_ runs: [Range<UInt32>], singles: [UInt32]) -> [Range<UInt32>] {
        var result: [Range<UInt32>] = []
        let all = runs + singles.map { $0..<$0 + 1 }
        for run in all.sorted(by: { $0.lowerBound < $1.lowerBound }) { Page.append(run, to: &result) }
        return result
    }

    // MARK: Idle identifiers

    /// True when a block of that order can be leased without a new reservation.
    public func hasIdle(_ application: ApplicationID, order: Int) -> Bool {
        accounts.number(of: application).map { accounts[$0].idle.holds(from: order - 2) } ?? false
    }

    /// The block that the next lease of that order takes.
    func idleBlock(of application: ApplicationID, order: Int) -> SNIBlock? {
        guard let number = accounts.number(of: application) else { return nil }
        for level in order - 2...plan.chunkOrder - 2 {
            guard let chunk = accounts[number].idle.lowest(level: level), let place = pages.place(of: chunk)
            else { continue }
            return pages[place].idle(of: number, level: level, wanted: order - 2).map { pages[place].block($0) }
        }
        return nil
    }

    /// True when the application has all of a block, reserved and not leased.
    func isIdle(_ block: SNIBlock, of application: ApplicationID) -> Bool {
        guard let number = accounts.number(of: application), (2...plan.chunkOrder).contains(block.order),
            let place = pages.place(of: plan.chunk(of: block.first))
        else { return false }
        return pages[place].isIdle(pages[place].node(block), of: number)
    }

    /// The largest block around an identifier, of at most `order`, that its application has reserved and not leased.
    public func idleBlock(around sni: SessionNetworkID, order: Int) -> SNIBlock? {
        guard order >= 2, let owner = owner(of: sni) else { return nil }
        for size in (2...min(order, plan.chunkOrder)).reversed() {
            let block = SNIBlock(aligned: sni.rawValue & ~(UInt32(1) << UInt32(size) - 1), order: size)
            if isIdle(block, of: owner) { return block }
        }
        return nil
    }

    /// What is reserved and not leased inside a range, by whom, as maximal aligned blocks that the range covers whole.
    public func idleBlocks(touching range: SNIRange) -> [(block: SNIBlock, application: ApplicationID)] {
        let first = (range.first.rawValue + 3) & ~3
        guard first < range.end & ~3 else { return [] }
        let inner = SNIRange(unchecked: first, count: Int(range.end & ~3 - first))
        var found: [(SNIBlock, ApplicationID)] = []
        for block in PoolPlan.blocks(of: inner, orderMax: plan.chunkOrder) {
            guard let page = pages[chunk: plan.chunk(of: block.first)] else { continue }
            for node in page.idle.nodes(within: page.node(block)) {
                guard let owner = page.owner(of: node.granule(page.depth)) else { continue }
                found.append((page.block(node), accounts.key(owner)))
            }
        }
        return found
    }

    // MARK: Reservations

    public func reservation(_ id: ReservationID) -> Reservation? { claims[id]?.reservation }

    /// What is left of a reservation, ascending.
    public func pieces(of id: ReservationID) -> [SNIBlock] {
        guard let claim = claims.number(of: id) else { return [] }
        let block = claims[claim].reservation.block
        guard let page = pages[chunk: plan.chunk(of: block.first)] else { return [] }
        return page.pieces(of: claim, within: page.node(block)).map(page.block)
    }

    /// Reservations in force, by application, then range.
    public func reservations(of application: ApplicationID? = nil) -> [Reservation] {
        let chosen: [Reservation]
        if let application {
            chosen = claimNumbers(of: application).map { claims[$0].reservation }
        } else {
            chosen = claims.all.map { claims[$0.number].reservation }
        }
        return chosen.sorted { ($0.application, $0.block, $0.id) < ($1.application, $1.block, $1.id) }
    }

    /// Claims of an application, in no particular order.
    func claimNumbers(of application: ApplicationID) -> Set<UInt32> {
        guard let number = accounts.number(of: application), accounts[number].claims > 0 else { return [] }
        var found: Set<UInt32> = []
        for chunk in accounts[number].chunks {
            guard let page = pages[chunk: chunk] else { continue }
            for piece in page.claimed.nodes where page.owner(of: piece.granule(page.depth)) == number {
                found.insert(page.claim(of: piece))
            }
        }
        return found
    }

    // MARK: One identifier

    /// Who claims or leases an identifier; nil when it is free.
    public func owner(of sni: SessionNetworkID) -> ApplicationID? {
        guard let page = pages[chunk: plan.chunk(of: sni)] else { return nil }
        return page.owner(of: (sni.rawValue - page.base) >> 2).map { accounts.key($0) }
    }

    /// State of one identifier; nil outside the pool, also when it left it.
    public func state(of sni: SessionNetworkID) -> IdentifierState? {
        guard plan.contains(SNIRange(unchecked: sni.rawValue, count: 1)) else { return nil }
        if let lease = lease(around: sni) { return IdentifierState(lease.state) }
        if owner(of: sni) != nil { return .reserved }
        return excluding.touching(SNIBlock(unit: sni).range).isEmpty ? .free : nil
    }

    /// Cursor of the newest entry of the reclaimed list; 0 for none.
    public var reclaimedLast: UInt64 { reclaimedLog.last }

    /// Blocks that returned to the free space after `cursor`, each exactly once.
    public func reclaimed(after cursor: UInt64, limit: Int) -> [ReclaimedBlock] {
        reclaimedLog.after(cursor, limit: limit)
    }
}
