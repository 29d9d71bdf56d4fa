public import NetworkTypes

/// Identifiers that leave the pool while it is in use; see ``Book``.
extension Book {
    /// Takes ranges out of the pool: free identifiers at once, owned ones when they are freed.
    ///
    /// - Throws: `outsidePool` for a range that is not of the pool, `overlapping` for one that leaves it already or is
    ///   named twice, `exhausted` when the floors of applications could not be met by what stays free.
    public func exclude(_ ranges: [SNIRange]) throws(BookError) -> [BookEvent] {
        let sorted = ranges.sorted()
        for (range, next) in zip(sorted, sorted.dropFirst()) where range.overlaps(next) {
            throw .overlapping(range, next)
        }
        var leaving = 0
        for range in sorted {
            if let other = excluding.first(where: { $0.overlaps(range) }) { throw .overlapping(range, other) }
            guard plan.contains(range) else { throw .outsidePool(range) }
            leaving += freeIdentifiers(in: range)
        }
        guard floorDebt == 0 || floorDebt <= free - leaving else {
            throw .exhausted(wanted: floorDebt, free: max(0, free - leaving))
        }
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
        for range in sorted where !excluding.contains(where: { $0.contains(range) }) { throw .notExcluded(range) }
        return sorted.map { .included($0) }
    }

    /// Identifiers that somebody still owns inside the excluded ranges: 0 when the exclusion is done.
    public var excludingLeft: Int { excludingTotal - withdrawn }

    /// Aligned blocks that tile what is being excluded of a chunk, ascending.
    func excludingBlocks(in number: UInt32) -> [SNIBlock] {
        excluding.flatMap { blocks(of: $0, in: number) }
    }

    private func blocks(of range: SNIRange, in number: UInt32) -> [SNIBlock] {
        let low = max(range.first.rawValue, number << UInt32(plan.chunkOrder))
        let high = min(range.end, (number + 1) << UInt32(plan.chunkOrder))
        guard low < high else { return [] }
        return PoolPlan.blocks(of: SNIRange(unchecked: low, count: Int(high - low)), orderMax: plan.chunkOrder)
    }

    /// What of a block returns to the free space, and what leaves the pool.
    func parted(_ block: SNIBlock) -> (stays: [SNIBlock], leaves: [SNIBlock]) {
        guard excluding.contains(where: { $0.overlaps(block.range) }) else { return ([block], []) }
        var rest = BuddyIndex(orderMax: plan.chunkOrder)
        rest.insert(block)
        var leaves: [SNIBlock] = []
        for hole in excludingBlocks(in: plan.chunk(of: block.first)) { leaves += rest.extract(within: hole) }
        return (rest.blocks, leaves)
    }

    private func chunkNumbers(of range: SNIRange) -> ClosedRange<UInt32> {
        plan.chunk(of: range.first)...plan.chunk(of: range.last)
    }

    private func freeIdentifiers(in range: SNIRange) -> Int {
        chunkNumbers(of: range).reduce(0) { sum, number in
            let free = chunks[number]?.free ?? plan.usable(in: number)
            return sum + blocks(of: range, in: number).flatMap { free.members(within: $0) }.reduce(0) { $0 + $1.size }
        }
    }

    mutating func applyExcluded(_ range: SNIRange) {
        excluding = (excluding + [range]).sorted()
        excludingTotal += range.count
        for number in chunkNumbers(of: range) {
            let areas = blocks(of: range, in: number)
            var left = areas
            if chunks[number] == nil {
                settle(number)
            } else {
                reroom(number) { free in left = areas.flatMap { free.extract(within: $0) } }
                for part in left { chunks[number]?.withdrawn.insert(part) }
            }
            withdrawn += left.reduce(0) { $0 + $1.size }
        }
        excluding = PoolPlan.joined(excluding)
    }

    mutating func applyIncluded(_ range: SNIRange) {
        excluding = excluding.flatMap { $0.without(range) }
        excludingTotal -= range.count
        for number in chunkNumbers(of: range) {
            let areas = blocks(of: range, in: number)
            var back = areas
            if chunks[number] == nil {
                settle(number)
            } else {
                back = areas.flatMap { chunks[number]?.withdrawn.extract(within: $0) ?? [] }
                reroom(number) { free in for part in back { free.insert(part) } }
            }
            withdrawn -= back.reduce(0) { $0 + $1.size }
        }
    }

    /// A closed chunk waits to be opened while it has anything to give.
    private mutating func settle(_ number: UInt32) {
        var usable = plan.usable(in: number)
        for block in excludingBlocks(in: number) { _ = usable.extract(within: block) }
        let index = UInt32(order.index(of: number))
        if usable.isEmpty { unopened.remove(index) } else { unopened.insert(index) }
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
