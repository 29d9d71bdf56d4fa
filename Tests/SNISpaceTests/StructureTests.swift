import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct IdentifierSetTests {
    @Test func agreesWithASet() throws {
        try property("identifier set", iterations: 30) { generator in
            var set = IdentifierSet()
            var model: Set<UInt32> = []
            for _ in 0..<400 {
                // Neighbours and far values both, so that words empty and fill at every level.
                let base = UInt32(generator.integer(in: 0...3)) << UInt32(6 * generator.integer(in: 0...3))
                let value = min((1 << 24) - 1, base + UInt32(generator.integer(in: 0...130)))
                if generator.chance(0.5) {
                    try hold(set.insert(value) == model.insert(value).inserted, "insert \(value)")
                } else {
                    try hold(set.remove(value) == (model.remove(value) != nil), "remove \(value)")
                }
                try hold(set.min == model.min(), "minimum")
                try hold(set.next(from: value) == model.filter { $0 >= value }.min(), "next from \(value)")
            }
            try hold(Array(set) == model.sorted() && set.count == model.count, "members")
        }
    }

    @Test func reachesTheEndOfTheSpace() {
        var set = IdentifierSet()
        set.insert(0)
        set.insert((1 << 24) - 1)
        let last: UInt32? = 0xFF_FFFF
        #expect(set.next(from: 1) == last)
        #expect(set.next(from: 1 << 24) == nil)
        set.remove((1 << 24) - 1)
        #expect(set.next(from: 1) == nil)
    }
}

@Suite struct BuddyMapTests {
    static let depth = 8

    @Test func agreesWithASetAndIsCanonical() throws {
        try property("buddy map", iterations: 30) { generator in
            var map = BuddyMap(depth: Self.depth)
            var counts = LevelCounts()
            var model: Set<UInt32> = []
            for _ in 0..<300 {
                let level = generator.integer(in: 0...5)
                let first = UInt32(generator.integer(in: 0...255)) & ~(1 << UInt32(level) - 1)
                let node = Node(granule: first, level: level, depth: Self.depth)
                try hold(node.granule(Self.depth) == first && node.level(Self.depth) == level, "node of \(first)")
                let members = Self.members(of: node)
                if members.isDisjoint(with: model) {
                    counts.insert(level: level, merged: map.insert(node).level(Self.depth))
                    model.formUnion(members)
                } else {
                    let whole = members.isSubset(of: model)
                    try hold((map.enclosing(node) != nil) == whole, "enclosing \(node)")
                    let inside = Set(map.nodes(within: node).flatMap { Self.members(of: $0) })
                    try hold(inside == model.intersection(members), "members within \(node)")
                    let removed = map.remove(node)
                    try hold((removed != nil) == whole, "remove \(node)")
                    if let removed { counts.remove(level: level, whole: removed.level(Self.depth)) }
                    if whole { model.subtract(members) }
                }
                try compare(map, counts, model)
            }
            var rebuilt = BuddyMap(depth: Self.depth)
            for member in model.shuffled(using: &generator) {
                _ = rebuilt.insert(Node(granule: member, level: 0, depth: Self.depth))
            }
            try hold(rebuilt == map, "order of insertion shows")
        }
    }

    private static func members(of node: Node) -> Set<UInt32> {
        let first = node.granule(depth)
        return Set(first..<first + 1 << UInt32(node.level(depth)))
    }

    private func compare(_ map: BuddyMap, _ counts: LevelCounts, _ model: Set<UInt32>) throws {
        let nodes = map.nodes
        try hold(nodes.flatMap { Self.members(of: $0).sorted() } == model.sorted(), "nodes")
        for level in 0...Self.depth {
            let mine = nodes.filter { $0.level(Self.depth) == level }
            try hold(counts[level] == mine.count, "\(counts[level]) of level \(level), there are \(mine.count)")
            try hold(map.lowest(level: level) == mine.first, "lowest of level \(level)")
        }
        try hold(counts.top == nodes.map { $0.level(Self.depth) }.max() ?? -1, "largest level")
    }

    @Test func ownersKeepTheirBlocksApart() {
        var map = BuddyMap(depth: 6)
        var owners = Array(repeating: UInt32(0), count: 64)
        for (granule, owner) in [(0, 1), (1, 2), (2, 2), (3, 2)] as [(UInt32, UInt32)] {
            let node = map.insert(Node(granule: granule, level: 0, depth: 6), like: owner, in: owners)
            owners[Int(node.granule(6))] = owner
        }
        #expect(map.nodes.map { [$0.granule(6), UInt32($0.level(6))] } == [[0, 0], [1, 0], [2, 1]])
    }
}

@Suite struct ChunkSetTests {
    @Test func agreesWithASet() throws {
        try property("chunk set", iterations: 30) { generator in
            var set = ChunkSet()
            var model: Set<UInt32> = []
            // Grows past the sorted array, shrinks back to it, and does so again.
            for step in 0..<600 {
                let chunk = UInt32(generator.integer(in: 0...(generator.chance(0.5) ? 90 : 65_535)))
                if generator.chance(step / 150 % 2 == 0 ? 0.8 : 0.2) {
                    set.insert(chunk)
                    model.insert(chunk)
                } else {
                    let victim = model.sorted().randomElement(using: &generator) ?? chunk
                    set.remove(victim)
                    model.remove(victim)
                }
                try hold(set.count == model.count && set.isEmpty == model.isEmpty, "count")
                try hold(set.min == model.min(), "minimum")
                try hold(set.next(from: chunk) == model.filter { $0 >= chunk }.min(), "next from \(chunk)")
                try hold(set.contains(chunk) == model.contains(chunk), "membership of \(chunk)")
            }
            try hold(Array(set) == model.sorted(), "members")
        }
    }
}

@Suite struct ChunkOrderTests {
    @Test(arguments: [1, 2, 3, 8, 9]) func isAPermutation(bits: Int) {
        let order = ChunkOrder(bits: bits, key: ShuffleKey(high: 0x0123_4567, low: 0x89ab_cdef))
        let chunks = (0..<order.count).map { order.chunk(at: $0) }
        #expect(Set(chunks).count == order.count)
        #expect(chunks.allSatisfy { $0 < UInt32(order.count) })
        #expect(chunks.indices.allSatisfy { order.index(of: chunks[$0]) == $0 })
    }

    @Test func dependsOnEveryBitOfTheKey() {
        let base = ChunkOrder(bits: 7, key: ShuffleKey(high: 1, low: 2))
        let chunks = (0..<base.count).map { base.chunk(at: $0) }
        #expect(chunks != Array(0..<UInt32(base.count)))
        for bit in 0..<64 {
            for key in [ShuffleKey(high: 1 ^ (1 << bit), low: 2), ShuffleKey(high: 1, low: 2 ^ (1 << bit))] {
                let other = ChunkOrder(bits: 7, key: key)
                let moved = chunks.indices.count { other.chunk(at: $0) != chunks[$0] }
                // Two random permutations agree in one place on average.
                #expect(moved > base.count - 20)
            }
        }
    }

    /// The authors' vector: key 00 01 ... 0f, message 00 01 ... 07 (vectors_sip64 of the reference implementation).
    @Test func sipHashMatchesItsReference() {
        let key = ShuffleKey(high: 0x0f0e_0d0c_0b0a_0908, low: 0x0706_0504_0302_0100)
        #expect(sipHash(key, 0x0706_0504_0302_0100) == 0x93f5_f579_9a93_2462)
    }
}

@Suite struct PlacementTests {
    let one = ApplicationID(UUID128(high: 0, low: 1))
    let two = ApplicationID(UUID128(high: 0, low: 2))

    private func book(chunks: Int) throws -> Book {
        Book(
            plan: try PoolPlan(
                chunkOrder: 8, pool: [SNIRange(unchecked: 256, count: 256 * chunks)], excluded: [],
                key: ShuffleKey(high: 5, low: 6)))
    }

    private func reserve(_ count: Int, for application: ApplicationID, in book: inout Book, id: UInt64) throws
        -> SNIBlock
    {
        let events = try book.reserve(
            id: ReservationID(UUID128(high: 3, low: id)), application: application, count: count, blockOrder: 4,
            predicted: false, lifetime: .seconds(60), reason: "test")
        for event in events { book.apply(event) }
        guard case .reserved(let reservation) = events.last else { throw PropertyViolation("no reservation") }
        return reservation.block
    }

    @Test func rangeDoublesIntoItsNeighbour() throws {
        var book = try book(chunks: 4)
        for (id, count) in [16, 16, 32, 64].enumerated() {
            _ = try reserve(count, for: one, in: &book, id: UInt64(id))
            #expect(book.ranges(of: one).count == 1)
        }
        #expect(book.ranges(of: one).map(\.size) == [128])
    }

    @Test func applicationsGetChunksOfTheirOwnWhileThereAreAny() throws {
        var book = try book(chunks: 2)
        let first = try reserve(16, for: one, in: &book, id: 1)
        let second = try reserve(16, for: two, in: &book, id: 2)
        #expect(book.plan.chunk(of: first.first) != book.plan.chunk(of: second.first))
        // Then they share, and only then.
        let three = ApplicationID(UUID128(high: 0, low: 3))
        let third = try reserve(16, for: three, in: &book, id: 3)
        #expect(!third.range.overlaps(first.range) && !third.range.overlaps(second.range))
    }

    @Test func grantIsPartialWhenSpaceOrCapEnds() throws {
        var book = try book(chunks: 1)
        #expect(try reserve(200, for: one, in: &book, id: 1).size == 256)
        #expect(throws: BookError.exhausted(wanted: 16, free: 0)) { try reserve(16, for: two, in: &book, id: 2) }
        var capped = try self.book(chunks: 1)
        for event in try capped.setQuota(one, cap: 100, floor: 0) { capped.apply(event) }
        #expect(try reserve(200, for: one, in: &capped, id: 1).size == 64)
        #expect(try reserve(200, for: one, in: &capped, id: 2).size == 32)
        #expect(throws: BookError.quota(cap: 100, owned: 96, wanted: 200)) {
            try reserve(200, for: one, in: &capped, id: 3)
        }
    }

    @Test func floorsOfOthersAreKeptFree() throws {
        var book = try book(chunks: 1)
        for event in try book.setQuota(two, cap: 0, floor: 128) { book.apply(event) }
        #expect(try reserve(256, for: one, in: &book, id: 1).size == 128)
        #expect(throws: BookError.self) { try reserve(16, for: one, in: &book, id: 2) }
        #expect(try reserve(128, for: two, in: &book, id: 3).size == 128)
    }

    @Test func repeatedKeyAnswersOnce() throws {
        var book = try book(chunks: 1)
        func ask(_ application: ApplicationID, id: UInt64) throws -> [BookEvent] {
            try book.reserve(
                id: ReservationID(UUID128(high: 4, low: id)), application: application, count: 16, blockOrder: 4,
                predicted: false, lifetime: .seconds(60), reason: "test", idempotencyKey: "same")
        }
        for event in try ask(one, id: 1) { book.apply(event) }
        #expect(try ask(one, id: 2) == [])
        #expect(book.answer(to: "same")?.id == ReservationID(UUID128(high: 4, low: 1)))
        #expect(throws: BookError.keyReused("same")) { try ask(two, id: 3) }
    }

    @Test func reclaimedBlocksAreListedOnce() throws {
        var book = try book(chunks: 1)
        let host = try #require(HostID("h"))
        _ = try reserve(64, for: one, in: &book, id: 1)
        func run(_ events: [BookEvent]) { for event in events { book.apply(event) } }
        for _ in 0..<3 {
            run(try book.lease(application: one, host: host, order: 4, predicted: false, fromReserved: true))
        }
        for lease in book.allLeases {
            run(try book.mark(lease.block, reason: "idle", force: false))
            run(try book.drain(lease.block, epoch: try #require(book.lease(of: lease.block)).epoch))
            run(try book.remove(lease.block))
            run(try book.free(lease.block))
        }
        let first = book.reclaimed(after: 0, limit: 2)
        let rest = book.reclaimed(after: try #require(first.last).cursor, limit: 2)
        #expect((first + rest).map(\.cursor) == [1, 2, 3])
        #expect(book.reclaimed(after: 3, limit: 2).isEmpty)
        #expect(first.allSatisfy { $0.reason == "idle" && $0.host == host })
    }
}

@Suite struct PoolPlanTests {
    @Test func chunkZeroIsNeverUsable() throws {
        let plan = try PoolPlan(
            chunkOrder: 12, pool: [SNIRange(unchecked: 0, count: 8192)], excluded: [], key: ShuffleKey(high: 0, low: 0))
        #expect(plan.capacity == 4096)
        #expect(!plan.contains(SNIRange(unchecked: 5, count: 1)))
    }

    @Test func overlappingExclusionsAreRefused() {
        let one = SNIRange(unchecked: 5000, count: 100)
        let two = SNIRange(unchecked: 5099, count: 1)
        #expect(throws: BookError.overlapping(one, two)) {
            try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 4096, count: 8192)], excluded: [two, one],
                key: ShuffleKey(high: 0, low: 0))
        }
    }

    @Test func emptyPoolIsRefused() {
        #expect(throws: BookError.self) {
            try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 4096, count: 10)],
                excluded: [SNIRange(unchecked: 4000, count: 200)], key: ShuffleKey(high: 0, low: 0))
        }
        #expect(throws: BookError.self) {
            try PoolPlan(
                chunkOrder: 3, pool: [SNIRange(unchecked: 4096, count: 10)], excluded: [],
                key: ShuffleKey(high: 0, low: 0))
        }
    }
}
