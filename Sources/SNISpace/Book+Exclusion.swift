public import NetworkTypes

/// Identifiers that leave the pool while it is in use; see ``Book``.
extension Book {
    /// Takes ranges out of the pool: free identifiers at once, owned ones when they are freed.
    ///
    /// What owned identifiers do for the floor of their application ends here and not when they are freed: nothing that
    /// happens later to them brings the pool below what floors need.
    ///
    /// - Throws: `outsidePool` for a range that is not of the pool, `overlapping` for one that leaves it already or is
    ///   named twice, `exhausted` when the floors of applications could not be met by what stays.
    public func exclude(_ ranges: [SNIRange]) throws(BookError) -> [BookEvent] {
        let sorted = ranges.sorted()
        for (range, next) in zip(sorted, sorted.dropFirst()) where range.overlaps(next) {
            throw .overlapping(range, next)
        }
        for range in sorted {
            if let other = excluding.touching(range).first { throw .overlapping(range, other) }
            guard plan.contains(range) else { throw .outsidePool(range) }
        }
        let effect = effect(of: sorted, on: PoolPlan.joined(excluding + sorted))
        var debt = floorDebt
        for (application, identifiers) in effect.leaving {
            var account = accounts[application]
            debt -= account.floorDebt
            account.leaving += identifiers
            debt += account.floorDebt
        }
        let left = grantable + effect.free
        guard debt == 0 || debt <= left else { throw .exhausted(wanted: debt, free: max(0, left)) }
        return sorted.map { .excluded($0) }
    }

    /// The undo of ``exclude(_:)``, also for a part of a range.
    ///
    /// - Throws: `overlapping` for a range that is named twice, `notExcluded` unless all of it is being excluded.
    public func include(_ ranges: [SNIRange]) throws(BookError) -> [BookEvent] {
        let sorted = ranges.sorted()
        for (range, next) in zip(sorted, sorted.dropFirst()) where range.overlaps(next) {
            throw .overlapping(range, next)
        }
        for range in sorted where !(excluding.touching(range).first?.contains(range) ?? false) {
            throw .notExcluded(range)
        }
        return sorted.map { .included($0) }
    }

    /// Identifiers that somebody still owns inside the excluded ranges: 0 when the exclusion is done.
    public var excludingLeft: Int { excludingTotal - withdrawn }

    // MARK: What may be granted

    /// Identifiers that nobody owns and that may be granted. Fewer than are free where a range ends between multiples
    /// of four: nothing smaller is granted.
    var grantable: Int { grantableTotal - (ownedTotal - leavingTotal) }

    /// What of a chunk is of the pool and stays in it, as aligned blocks of at least four, ascending.
    func grantable(in number: UInt32) -> [SNIBlock] { grantable(in: number, without: excluding) }

    /// The same of a block that somebody owns; it is of the pool.
    func grantable(of block: SNIBlock) -> [SNIBlock] {
        excluding.touching(block.range).isEmpty ? [block] : grantable(of: block.range, without: excluding)
    }

    private func grantable(in number: UInt32, without holes: [SNIRange]) -> [SNIBlock] {
        plan.usable(in: number).flatMap { grantable(of: $0, without: holes) }
    }

    private func grantable(of range: SNIRange, without holes: [SNIRange]) -> [SNIBlock] {
        var parts = [range]
        for hole in holes.touching(range) { parts = parts.flatMap { $0.without(hole) } }
        return parts.flatMap { part -> [SNIBlock] in
            let first = (part.first.rawValue + 3) & ~3
            let end = part.end & ~3
            guard first < end else { return [] }
            return PoolPlan.blocks(of: SNIRange(unchecked: first, count: Int(end - first)), orderMax: plan.chunkOrder)
        }
    }

    func excludedCount(in range: SNIRange) -> Int {
        excluding.touching(range).reduce(0) {
            $0 + Int(min($1.end, range.end)) - Int(max($1.first, range.first).rawValue)
        }
    }

    /// What a change of the excluded ranges does to what may be granted.
    private struct Effect {
        /// All that may be granted or is owned and stays, and the part of it that is free.
        var total = 0
        var free = 0
        /// Owned identifiers that will not be granted again, by application.
        var leaving: [UInt32: Int] = [:]
    }

    private func effect(of ranges: [SNIRange], on excluding: [SNIRange]) -> Effect {
        var effect = Effect()
        for number in Set(ranges.flatMap(chunkNumbers)) {
            effect.total += grantable(in: number, without: excluding).reduce(0) { $0 + $1.size }
            effect.total -= grantable(in: number).reduce(0) { $0 + $1.size }
            guard let page = pages[chunk: number] else { continue }
            for node in page.ranges.nodes {
                let range = page.block(node).range
                let stays = grantable(of: range, without: excluding).reduce(0) { $0 + $1.size }
                let stayed = grantable(of: range, without: self.excluding).reduce(0) { $0 + $1.size }
                if stays != stayed { effect.leaving[page.owner(of: node), default: 0] += stayed - stays }
            }
        }
        effect.free = effect.total + effect.leaving.values.reduce(0, +)
        return effect
    }

    private mutating func exclude(changing ranges: [SNIRange], to excluding: [SNIRange]) {
        let effect = effect(of: ranges, on: excluding)
        grantableTotal += effect.total
        for (application, identifiers) in effect.leaving { leave(identifiers, application) }
        self.excluding = excluding
    }

    private func chunkNumbers(of range: SNIRange) -> ClosedRange<UInt32> {
        plan.chunk(of: range.first)...plan.chunk(of: range.last)
    }

    private func part(of range: SNIRange, in number: UInt32) -> SNIRange {
        let low = max(range.first.rawValue, number << UInt32(plan.chunkOrder))
        let high = min(range.end, (number + 1) << UInt32(plan.chunkOrder))
        return SNIRange(unchecked: low, count: Int(high - low))
    }

    /// Identifiers of a range of the pool that nobody owns.
    private func unowned(in range: SNIRange) -> Int {
        chunkNumbers(of: range).reduce(0) { sum, number in
            let part = part(of: range, in: number)
            return sum + part.count - (pages[chunk: number]?.owned(in: part) ?? 0)
        }
    }

    // MARK: Events

    mutating func applyExcluded(_ range: SNIRange) {
        let shelves = shelves(of: range)
        exclude(changing: [range], to: PoolPlan.joined(excluding + [range]))
        excludingTotal += range.count
        withdrawn += unowned(in: range)
        for number in chunkNumbers(of: range) {
            guard let place = pages.place(of: number) else { continue }
            let before = pages[place].freeMask
            for block in granules(around: part(of: range, in: number)) {
                pages[place].withdraw(pages[place].node(block))
            }
            reroom(place, from: before, to: pages[place].freeMask)
        }
        reshelve(shelves)
    }

    mutating func applyIncluded(_ range: SNIRange) {
        let shelves = shelves(of: range)
        exclude(changing: [range], to: excluding.flatMap { $0.without(range) })
        excludingTotal -= range.count
        withdrawn -= unowned(in: range)
        for number in chunkNumbers(of: range) {
            guard let place = pages.place(of: number) else { continue }
            let before = pages[place].freeMask
            let all = grantable(in: number)
            for block in granules(around: part(of: range, in: number)) {
                // Aligned blocks lie inside each other or apart.
                for free in all where free.range.overlaps(block.range) {
                    pages[place].releaseUnowned(pages[place].node(free.size < block.size ? free : block))
                }
            }
            reroom(place, from: before, to: pages[place].freeMask)
        }
        reshelve(shelves)
    }

    /// Aligned blocks that tile a range after its ends are moved out to multiples of four.
    private func granules(around range: SNIRange) -> [SNIBlock] {
        let first = range.first.rawValue & ~3
        let end = (range.end + 3) & ~3
        return PoolPlan.blocks(of: SNIRange(unchecked: first, count: Int(end - first)), orderMax: plan.chunkOrder)
    }

    /// Where the closed chunks of a range stand.
    private func shelves(of range: SNIRange) -> [(number: UInt32, shelf: UInt16)] {
        chunkNumbers(of: range).filter { pages.place(of: $0) == nil }
            .map { ($0, Self.shelf(of: grantable(in: $0))) }
    }

    private mutating func reshelve(_ shelves: [(number: UInt32, shelf: UInt16)]) {
        for (number, shelf) in shelves { shelve(number, before: shelf) }
    }
}

extension SNIRange {
    /// What is left of the range without another.
    func without(_ other: SNIRange) -> [SNIRange] {
        guard overlaps(other) else { return [self] }
        var parts: [SNIRange] = []
        if other.first > first {
            parts.append(SNIRange(unchecked: first.rawValue, count: Int(other.first.rawValue - first.rawValue)))
        }
        if other.end < end { parts.append(SNIRange(unchecked: other.end, count: Int(end - other.end))) }
        return parts
    }
}

extension [SNIRange] {
    /// Of ranges that ascend and are disjoint those that share identifiers with another.
    func touching(_ range: SNIRange) -> ArraySlice<SNIRange> {
        func place(_ isBelow: (SNIRange) -> Bool) -> Int {
            var (low, high) = (0, count)
            while low < high {
                let middle = (low + high) / 2
                if isBelow(self[middle]) { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return self[place { $0.end <= range.first.rawValue }..<place { $0.first.rawValue < range.end }]
    }
}
