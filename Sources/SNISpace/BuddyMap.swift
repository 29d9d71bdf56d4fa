/// A place and size inside a chunk: a node of the binary tree over its granules of four identifiers, numbered as in a
/// heap. Node 1 is the chunk, `2n` and `2n + 1` are the halves of node `n`; so the parent is a shift, and the buddy one
/// bit.
struct Node: Hashable, Sendable {
    let raw: UInt32

    init(_ raw: UInt32) { self.raw = raw }

    /// The block of 2^level granules at `granule`, in a chunk of 2^depth granules.
    init(granule: UInt32, level: Int, depth: Int) {
        raw = 1 << UInt32(depth - level) | granule >> UInt32(level)
    }

    var parent: Node { Node(raw >> 1) }
    var buddy: Node { Node(raw ^ 1) }

    /// log2 of its granules.
    func level(_ depth: Int) -> Int { depth - (31 - raw.leadingZeroBitCount) }

    /// Its first granule.
    func granule(_ depth: Int) -> UInt32 {
        let level = UInt32(self.level(depth))
        return raw << level & ~(1 << UInt32(depth))
    }
}

/// A set of granules of one chunk, kept as maximal aligned blocks: one bit for each node of the tree.
///
/// Insertion merges buddies and removal splits blocks, so that the nodes of a set are the same whatever the order of
/// insertion. Every operation looks at as many bits as the tree has levels, in 256 bytes for a chunk of 4096
/// identifiers.
struct BuddyMap: Hashable, Sendable {
    private var words: [UInt64]
    let depth: Int

    init(depth: Int) {
        precondition((6...14).contains(depth), "a chunk of 2^\(depth) granules")
        self.depth = depth
        words = Array(repeating: 0, count: 1 << (depth - 5))
    }

    func contains(_ node: Node) -> Bool { words[Int(node.raw >> 6)] >> UInt64(node.raw & 63) & 1 != 0 }

    mutating func set(_ node: Node) { words[Int(node.raw >> 6)] |= 1 << UInt64(node.raw & 63) }

    mutating func clear(_ node: Node) { words[Int(node.raw >> 6)] &= ~(1 << UInt64(node.raw & 63)) }

    /// The maximal block that contains `node`; nil unless all its granules are members.
    func enclosing(_ node: Node) -> Node? {
        var node = node
        while node.raw > 0 {
            if contains(node) { return node }
            node = node.parent
        }
        return nil
    }

    /// Adds a block none of whose granules is a member, and merges it with buddies inside `limit`.
    ///
    /// - Returns: the block that it became part of.
    mutating func insert(_ node: Node, within limit: Node = Node(1)) -> Node {
        var node = node
        while node != limit, contains(node.buddy) {
            clear(node.buddy)
            node = node.parent
        }
        set(node)
        return node
    }

    /// The same, merging as long as the buddy's value is `value` too. Values stand at the first granule of a block.
    mutating func insert(_ node: Node, like value: UInt32, in values: [UInt32]) -> Node {
        var node = node
        while node.raw > 1, contains(node.buddy), values[Int(node.buddy.granule(depth))] == value {
            clear(node.buddy)
            node = node.parent
        }
        set(node)
        return node
    }

    /// Removes a block and splits what encloses it: the buddies on the way up to it stay.
    ///
    /// - Returns: the block that enclosed it; nil, and no change, unless all its granules are members.
    mutating func remove(_ node: Node) -> Node? {
        guard let whole = enclosing(node) else { return nil }
        clear(whole)
        var cursor = node
        while cursor != whole {
            set(cursor.buddy)
            cursor = cursor.parent
        }
        return whole
    }

    /// The lowest maximal block of exactly 2^level granules for which `isWanted` holds.
    @inline(__always)
    func lowest(level: Int, where isWanted: (Node) -> Bool = { _ in true }) -> Node? {
        let low = UInt32(1) << UInt32(depth - level)
        return first(in: low..<low << 1, where: isWanted)
    }

    @inline(__always)
    private func first(in nodes: Range<UInt32>, where isWanted: (Node) -> Bool) -> Node? {
        var cursor = nodes.lowerBound
        while cursor < nodes.upperBound {
            var word = words[Int(cursor >> 6)] & UInt64.max << UInt64(cursor & 63)
            while word != 0 {
                let found = cursor & ~63 | UInt32(word.trailingZeroBitCount)
                if found >= nodes.upperBound { return nil }
                if isWanted(Node(found)) { return Node(found) }
                word &= word - 1
            }
            cursor = cursor & ~63 + 64
        }
        return nil
    }

    /// The members inside `area` as maximal blocks, ascending.
    func nodes(within area: Node) -> [Node] {
        if enclosing(area) != nil { return [area] }
        var found: [Node] = []
        for below in 1...max(1, area.level(depth)) where area.level(depth) > 0 {
            let low = area.raw << UInt32(below)
            _ = first(in: low..<low + 1 << UInt32(below)) { node in
                found.append(node)
                return false
            }
        }
        return found.sorted { $0.granule(depth) < $1.granule(depth) }
    }

    /// Removes and returns every member inside `area`, as maximal blocks, ascending.
    mutating func extract(within area: Node) -> [Node] {
        let found = nodes(within: area)
        for node in found { _ = remove(node) }
        return found
    }

    /// All maximal blocks, ascending.
    var nodes: [Node] { nodes(within: Node(1)) }
}

/// How many blocks of each level there are, and which levels have any.
struct LevelCounts: Hashable, Sendable {
    private var counts = SIMD16<UInt16>.zero
    /// Bit `n` says that there is a block of level `n`.
    private(set) var mask: UInt16 = 0

    subscript(level: Int) -> Int { Int(counts[level]) }

    /// The largest level that has a block, -1 for none.
    var top: Int { 15 - mask.leadingZeroBitCount }

    mutating func add(_ level: Int) {
        counts[level] += 1
        mask |= 1 << UInt16(level)
    }

    mutating func subtract(_ level: Int) {
        counts[level] -= 1
        if counts[level] == 0 { mask &= ~(1 << UInt16(level)) }
    }

    /// A block of `level` came and was merged into one of `merged`.
    mutating func insert(level: Int, merged: Int) {
        for lower in level..<merged { subtract(lower) }
        add(merged)
    }

    /// A block of `level` was cut out of one of `whole`.
    mutating func remove(level: Int, whole: Int) {
        subtract(whole)
        for lower in level..<whole { add(lower) }
    }
}
