import NetworkTypes

/// The book of one open chunk, in granules of four identifiers: nothing smaller is ever owned or leased as a block.
///
/// Blocks of one owner merge into ranges, idle blocks of one owner into idle blocks. Whose they are stands once per
/// block, at its first granule.
struct Page: Sendable {
    /// What the indices over all chunks need to know of a page, as far as one application is concerned.
    struct Summary {
        /// Bit `n`: a free block of level `n` is the largest.
        var free: UInt16
        var idle: UInt16
        var ranges: UInt16
        var isTenant: Bool
    }
    /// What one application has here.
    struct Tenant: Sendable {
        var application: UInt32
        var granules = 0
        /// Those of them that a claim covers.
        var claimed = 0
        var idle = LevelCounts()
        var ranges = LevelCounts()
    }
    let number: UInt32
    /// Its place in the keyed order.
    let index: Int
    /// The application that it was opened for, which finds its room first.
    let home: UInt32
    /// Launches happen here: its home grows here before it opens a fresh chunk.
    var isHot = true
    /// log2 of its granules.
    let depth: Int
    private(set) var free: BuddyMap
    private var freeCounts = LevelCounts()
    private(set) var ranges: BuddyMap
    private(set) var idle: BuddyMap
    private(set) var claimed: BuddyMap
    private var owners: [UInt32]
    private var claims: [UInt32]
    /// Most chunks have one; they are searched in order.
    private(set) var tenants: [Tenant] = []
    /// Granules with which a lease begins, and those that peers carry.
    var starts: [UInt64]
    var carried: [UInt64]
    /// Where the record of the lease that begins with a granule stands in `records`.
    var slots: [UInt16]
    var records: [LeaseRecord] = []

    init(number: UInt32, index: Int, home: UInt32, depth: Int) {
        self.number = number
        self.index = index
        self.home = home
        self.depth = depth
        let granules = 1 << depth
        free = BuddyMap(depth: depth)
        ranges = free
        idle = free
        claimed = free
        owners = Array(repeating: 0, count: granules)
        claims = owners
        starts = Array(repeating: 0, count: granules / 64)
        carried = starts
        slots = Array(repeating: 0, count: granules)
    }

    var isEmpty: Bool { tenants.isEmpty }
    var hasFree: Bool { freeCounts.mask != 0 }
    /// Bit of the largest free block's level.
    var freeMask: UInt16 { freeCounts.mask == 0 ? 0 : 1 << UInt16(freeCounts.top) }

    func summary(of application: UInt32) -> Summary {
        let tenant = tenants.first { $0.application == application }
        return Summary(
            free: freeMask, idle: tenant?.idle.mask ?? 0, ranges: tenant?.ranges.mask ?? 0, isTenant: tenant != nil)
    }

    // MARK: Places

    var base: UInt32 { number << UInt32(depth + 2) }

    func node(_ block: SNIBlock) -> Node {
        Node(granule: (block.first.rawValue - base) >> 2, level: block.order - 2, depth: depth)
    }

    func block(_ node: Node) -> SNIBlock {
        SNIBlock(aligned: base + node.granule(depth) << 2, order: node.level(depth) + 2)
    }

    /// The application that owns a granule.
    func owner(of granule: UInt32) -> UInt32? {
        ranges.enclosing(Node(granule: granule, level: 0, depth: depth)).map(owner(of:))
    }

    /// Of a member of `ranges`.
    func owner(of range: Node) -> UInt32 { owners[Int(range.granule(depth))] }

    /// Of a member of `claimed`.
    func claim(of piece: Node) -> UInt32 { claims[Int(piece.granule(depth))] }

    /// The lowest free block of `level`, out of the smallest free block that is big enough.
    func bestFit(level: Int) -> Node? {
        let fitting = freeCounts.mask >> UInt16(level)
        guard fitting != 0 else { return nil }
        return free.lowest(level: level + fitting.trailingZeroBitCount).map { descend($0, to: level) }
    }

    /// The lowest of the application's idle blocks of exactly `level`, cut to `wanted`.
    func idle(of application: UInt32, level: Int, wanted: Int) -> Node? {
        let isAlone = tenants.count == 1
        return idle.lowest(level: level) { isAlone || owner(of: $0.granule(depth)) == application }
            .map { descend($0, to: wanted) }
    }

    /// The lowest free block of `level` that is the buddy of one of the application's ranges.
    func freeBuddy(of application: UInt32, level: Int) -> Node? {
        ranges.lowest(level: level) { free.contains($0.buddy) && owner(of: $0) == application }?.buddy
    }

    private func descend(_ node: Node, to level: Int) -> Node { Node(node.raw << UInt32(node.level(depth) - level)) }

    /// True when all of a block is free.
    func isFree(_ node: Node) -> Bool { free.enclosing(node) != nil }

    // MARK: Changes

    /// Adds what may be granted and is neither free nor owned.
    mutating func release(_ node: Node) {
        let level = node.level(depth)
        freeCounts.insert(level: level, merged: free.insert(node).level(depth))
    }

    /// Adds what of a block that may be granted is neither free nor owned.
    mutating func releaseUnowned(_ node: Node) {
        if free.enclosing(node) != nil || ranges.enclosing(node) != nil { return }
        if free.nodes(within: node).isEmpty, ranges.nodes(within: node).isEmpty { return release(node) }
        releaseUnowned(Node(node.raw << 1))
        releaseUnowned(Node(node.raw << 1 | 1))
    }

    /// Identifiers of a range that somebody owns.
    func owned(in range: SNIRange) -> Int {
        ranges.nodes.reduce(0) { sum, node in
            let mine = block(node).range
            return sum + max(0, Int(min(mine.end, range.end)) - Int(max(mine.first, range.first).rawValue))
        }
    }

    /// Takes what is free inside a block out of the free space.
    mutating func withdraw(_ area: Node) {
        for node in free.nodes(within: area) { cutFree(node) }
    }

    private mutating func cutFree(_ node: Node) {
        guard let whole = free.remove(node) else { preconditionFailure("\(block(node)) is taken and was not free") }
        freeCounts.remove(level: node.level(depth), whole: whole.level(depth))
    }

    /// Free granules become the application's, idle.
    mutating func take(_ node: Node, for application: UInt32) {
        cutFree(node)
        let place = tenants.firstIndex { $0.application == application } ?? tenants.count
        if place == tenants.count { tenants.append(Tenant(application: application)) }
        let level = node.level(depth)
        let range = ranges.insert(node, like: application, in: owners)
        owners[Int(range.granule(depth))] = application
        tenants[place].ranges.insert(level: level, merged: range.level(depth))
        tenants[place].granules += 1 << level
        insertIdle(node, at: place)
    }

    /// The application's idle granules stop to be its; whether they are free, the caller knows.
    mutating func giveBack(_ node: Node, of application: UInt32) {
        guard removeIdle(node, of: application),
            let place = tenants.firstIndex(where: { $0.application == application })
        else { preconditionFailure("\(block(node)) returns and is not idle") }
        guard let whole = ranges.remove(node) else { preconditionFailure("\(block(node)) returns and has no owner") }
        Self.write(application, into: &owners, beside: node, up: whole, depth)
        tenants[place].ranges.remove(level: node.level(depth), whole: whole.level(depth))
        tenants[place].granules -= 1 << node.level(depth)
        if tenants[place].granules == 0 { tenants.remove(at: place) }
    }

    private mutating func insertIdle(_ node: Node, at place: Int) {
        // Buddies of one owner are one range: what lies in one range is one owner's.
        let merged = idle.insert(node, within: ranges.enclosing(node) ?? node)
        tenants[place].idle.insert(level: node.level(depth), merged: merged.level(depth))
    }

    mutating func insertIdle(_ node: Node, of application: UInt32) {
        guard let place = tenants.firstIndex(where: { $0.application == application }) else {
            preconditionFailure("\(block(node)) becomes idle and has no owner")
        }
        insertIdle(node, at: place)
    }

    /// False, and no change, unless all of the block is idle and the application's.
    mutating func removeIdle(_ node: Node, of application: UInt32) -> Bool {
        guard let place = tenants.firstIndex(where: { $0.application == application }),
            isIdle(node, of: application), let whole = idle.remove(node)
        else { return false }
        tenants[place].idle.remove(level: node.level(depth), whole: whole.level(depth))
        return true
    }

    func isIdle(_ node: Node, of application: UInt32) -> Bool {
        idle.enclosing(node) != nil && owner(of: node.granule(depth)) == application
    }

    // MARK: Claims

    /// True when an application leases something here that no claim covers: what is idle is claimed.
    func hasUnclaimed(_ application: UInt32) -> Bool {
        tenants.contains { $0.application == application && $0.granules > $0.claimed }
    }

    private mutating func count(claimed granules: Int, of application: UInt32) {
        guard let place = tenants.firstIndex(where: { $0.application == application }) else { return }
        tenants[place].claimed += granules
    }

    mutating func claim(_ node: Node, for claim: UInt32, of application: UInt32) {
        count(claimed: 1 << node.level(depth), of: application)
        // Pieces of a claim only shrink: they never become each other's missing half.
        claimed.set(node)
        claims[Int(node.granule(depth))] = claim
    }

    /// Cuts a block out of a piece that covers it whole.
    mutating func unclaim(_ node: Node, of claim: UInt32, _ application: UInt32) {
        guard let whole = claimed.remove(node) else { return }
        count(claimed: -(1 << node.level(depth)), of: application)
        Self.write(claim, into: &claims, beside: node, up: whole, depth)
    }

    /// After a block was cut out of `whole`: what is left of it are the buddies on the way up.
    private static func write(
        _ value: UInt32, into values: inout [UInt32], beside node: Node, up whole: Node, _ depth: Int
    ) {
        var cursor = node
        while cursor != whole {
            values[Int(cursor.buddy.granule(depth))] = value
            cursor = cursor.parent
        }
    }

    /// The pieces of one claim inside its block, ascending.
    func pieces(of claim: UInt32, within area: Node) -> [Node] {
        claimed.nodes(within: area).filter { self.claim(of: $0) == claim }
    }

    /// The pieces that share granules with a block: one that covers it, or those inside.
    func pieces(touching area: Node) -> [Node] {
        if let piece = claimed.enclosing(area) { return [piece] }
        return claimed.nodes(within: area)
    }
}
