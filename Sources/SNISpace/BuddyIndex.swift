public import NetworkTypes

/// A set of identifiers kept as maximal aligned power-of-two blocks.
///
/// Two free buddies are merged at once, so that the blocks of a set are the same whatever the order of insertion; the
/// cost of every operation depends on the number of orders (25), never on the number of blocks.
public struct BuddyIndex: Hashable, Sendable {
    /// Blocks never merge beyond this order, so that none spans two chunks.
    public let orderMax: Int
    private var byOrder: [IdentifierSet]
    /// Identifiers held.
    public private(set) var identifiers = 0

    public init(orderMax: Int = 24) {
        precondition((0...24).contains(orderMax), "order \(orderMax) is outside the identifier space")
        self.orderMax = orderMax
        byOrder = Array(repeating: IdentifierSet(), count: orderMax + 1)
    }

    public var isEmpty: Bool { identifiers == 0 }
    /// Number of maximal blocks.
    public var blockCount: Int { byOrder.reduce(0) { $0 + $1.count } }

    /// The largest block's order, nil when empty.
    public var largestOrder: Int? { byOrder.lastIndex { !$0.isEmpty } }

    /// Adds a block none of whose identifiers is a member.
    public mutating func insert(_ block: SNIBlock) {
        identifiers += block.size
        var order = block.order
        var first = block.first.rawValue
        precondition(order <= orderMax, "\(block) is larger than 2^\(orderMax)")
        while order < orderMax, byOrder[order].remove(first ^ (1 << UInt32(order))) {
            first &= ~(1 << UInt32(order))
            order += 1
        }
        byOrder[order].insert(first)
    }

    /// The maximal block that contains `block`, nil unless all its identifiers are members.
    public func enclosing(_ block: SNIBlock) -> SNIBlock? {
        guard block.order <= orderMax else { return nil }
        for order in block.order...orderMax {
            let first = block.first.rawValue & ~(UInt32(1) << UInt32(order) - 1)
            if byOrder[order].contains(first) { return Self.block(first, order) }
        }
        return nil
    }

    /// Removes a block, splitting what encloses it. False, and no change, unless all its identifiers are members.
    @discardableResult public mutating func remove(_ block: SNIBlock) -> Bool {
        guard let whole = enclosing(block) else { return false }
        byOrder[whole.order].remove(whole.first.rawValue)
        identifiers -= block.size
        for order in (block.order..<max(block.order, whole.order)).reversed() {
            let half = block.first.rawValue & ~(UInt32(1) << UInt32(order) - 1)
            byOrder[order].insert(half ^ (1 << UInt32(order)))
        }
        return true
    }

    /// The block of `order` that best-fit would take: lowest address in the smallest maximal block that is big enough.
    public func bestFit(order: Int) -> SNIBlock? {
        guard order <= orderMax else { return nil }
        for candidate in order...orderMax {
            if let first = byOrder[candidate].min { return Self.block(first, order) }
        }
        return nil
    }

    /// The lowest maximal blocks of exactly `order`, at most `limit`.
    public func blocks(order: Int, limit: Int) -> [SNIBlock] {
        guard order <= orderMax else { return [] }
        return byOrder[order].prefix(limit).map { Self.block($0, order) }
    }

    /// Removes and returns every member inside `area`, as maximal blocks, ascending.
    public mutating func extract(within area: SNIBlock) -> [SNIBlock] {
        if remove(area) { return [area] }
        let found = members(within: area)
        for block in found { remove(block) }
        return found
    }

    /// The members inside `area` as maximal blocks, ascending.
    public func members(within area: SNIBlock) -> [SNIBlock] {
        if enclosing(area) != nil { return [area] }
        var found: [SNIBlock] = []
        for order in 0..<Swift.min(area.order, orderMax + 1) {
            var cursor = area.first.rawValue
            while let first = byOrder[order].next(from: cursor), first < area.range.end {
                found.append(Self.block(first, order))
                cursor = first + 1
            }
        }
        return found.sorted()
    }

    /// All maximal blocks, ascending.
    public var blocks: [SNIBlock] {
        byOrder.enumerated().flatMap { order, set in set.map { Self.block($0, order) } }.sorted()
    }

    /// The members as runs: adjacent blocks joined, ascending.
    public var runs: [SNIRange] {
        var runs: [SNIRange] = []
        for block in blocks {
            if let last = runs.last, last.end == block.first.rawValue,
                let joined = SNIRange(first: last.first, count: last.count + block.size)
            {
                runs[runs.count - 1] = joined
            } else {
                runs.append(block.range)
            }
        }
        return runs
    }

    private static func block(_ first: UInt32, _ order: Int) -> SNIBlock {
        guard let block = SNIBlock(first: SessionNetworkID(unchecked: first), size: 1 << order) else {
            preconditionFailure("\(first) is not aligned to 2^\(order)")
        }
        return block
    }
}
