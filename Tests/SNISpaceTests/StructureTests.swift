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

@Suite struct BuddyIndexTests {
    @Test func agreesWithASetAndIsCanonical() throws {
        try property("buddy index", iterations: 30) { generator in
            var index = BuddyIndex(orderMax: 6)
            var model: Set<UInt32> = []
            for _ in 0..<300 {
                let order = generator.integer(in: 0...5)
                let first = UInt32(generator.integer(in: 0...255)) & ~(1 << UInt32(order) - 1)
                let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: first), size: 1 << order))
                let members = Set(block.identifiers.map(\.rawValue))
                if members.isDisjoint(with: model) {
                    index.insert(block)
                    model.formUnion(members)
                } else {
                    let whole = members.isSubset(of: model)
                    try hold((index.enclosing(block) != nil) == whole, "enclosing \(block)")
                    try hold(
                        Set(index.members(within: block).flatMap { $0.identifiers.map(\.rawValue) })
                            == model.intersection(members), "members within \(block)")
                    try hold(index.remove(block) == whole, "remove \(block)")
                    if whole { model.subtract(members) }
                }
                try hold(index.identifiers == model.count, "count")
            }
            let listed = index.blocks.flatMap { $0.identifiers.map(\.rawValue) }
            try hold(listed == model.sorted(), "blocks")
            try hold(index.runs.flatMap { Array($0.first.rawValue..<$0.end) } == model.sorted(), "runs")
            var rebuilt = BuddyIndex(orderMax: 6)
            for member in model.shuffled(using: &generator) {
                rebuilt.insert(try #require(SNIBlock(first: SessionNetworkID(unchecked: member), size: 1)))
            }
            try hold(rebuilt == index, "order of insertion shows")
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
