import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

/// A small book with helpers; blocks of 16 in one or more chunks of 256.
struct Bench {
    static let one = ApplicationID(UUID128(high: 0, low: 1))
    static let two = ApplicationID(UUID128(high: 0, low: 2))
    static let three = ApplicationID(UUID128(high: 0, low: 3))
    static let a = host("a")
    static let b = host("b")
    var book: Book
    private var claims: UInt64 = 0

    private static func host(_ name: String) -> HostID {
        guard let host = HostID(name) else { preconditionFailure("\(name) is no host name") }
        return host
    }

    init(chunks: Int = 1) throws {
        book = Book(
            plan: try PoolPlan(
                chunkOrder: 8, pool: [SNIRange(unchecked: 256, count: 256 * chunks)], excluded: [],
                key: ShuffleKey(high: 5, low: 6)))
    }

    /// Of the claim that ``reserve(_:for:)`` made as its `number`th.
    static func id(_ number: UInt64) -> ReservationID { ReservationID(UUID128(high: 3, low: number)) }

    @discardableResult
    mutating func run(_ command: (Book) throws -> [BookEvent]) throws -> [BookEvent] {
        let events = try command(book)
        for event in events { book.apply(event) }
        return events
    }

    mutating func reserve(_ count: Int, for application: ApplicationID) throws -> Reservation {
        claims += 1
        let id = Self.id(claims)
        try run {
            try $0.reserve(
                id: id, application: application, count: count, blockOrder: 2, predicted: false,
                lifetime: .seconds(60), reason: "test")
        }
        return try #require(book.reservation(id))
    }

    mutating func lease(_ application: ApplicationID, order: Int = 4, to host: HostID? = nil) throws -> SNIBlock {
        let before = Set(book.allLeases.map(\.block))
        let holder = host ?? Self.a
        try run {
            try $0.lease(application: application, host: holder, order: order, predicted: false, fromReserved: true)
        }
        return try #require(book.allLeases.map(\.block).first { !before.contains($0) })
    }
}

@Suite struct SubleaseTests {
    @Test func isTheLeaseOfItsIdentifierAndKeepsItsBlock() throws {
        var bench = try Bench()
        _ = try bench.reserve(16, for: Bench.one)
        let block = try bench.lease(Bench.one)
        let sni = SessionNetworkID(unchecked: block.first.rawValue + 3)
        let single = try #require(SNIBlock(first: sni, size: 1))
        #expect(throws: BookError.self) { try bench.book.sublease(sni, to: Bench.a) }
        try bench.run { try $0.sublease(sni, to: Bench.b) }
        #expect(bench.book.lease(around: sni)?.host == Bench.b)
        #expect(bench.book.lease(around: sni)?.block.vni == sni)
        #expect(bench.book.lease(around: block.first)?.host == Bench.a)
        #expect(bench.book.subleases(of: block).map(\.block) == [single])
        #expect(bench.book.subleases(of: Bench.b).map(\.block) == [single])
        #expect(throws: BookError.subleased(single, count: 1)) { try bench.book.sublease(sni, to: Bench.b) }
        try bench.run { try $0.fence(block, reason: "off") }
        #expect(bench.book.lease(of: block)?.fenced == true)
        #expect(bench.book.lease(of: single)?.state == .leased)
        // Its peers still carry the one identifier.
        #expect(bench.book.activeRuns(of: Bench.one).map(\.count) == [1])
        try bench.run { try $0.remove(block) }
        #expect(throws: BookError.subleased(block, count: 1)) { try bench.book.free(block) }
        try bench.run { try $0.fence(single, reason: "off too") }
        #expect(bench.book.activeRuns(of: Bench.one).isEmpty)
        try bench.run { try $0.remove(single) }
        try bench.run { try $0.free(single) }
        #expect(bench.book.lease(around: sni)?.block == block)
        try bench.run { try $0.free(block) }
        // The identifier came back once, with its block.
        #expect(bench.book.reclaimed(after: 0, limit: 9).map(\.block) == [block])
    }

    @Test func needsALivingBlock() throws {
        var bench = try Bench()
        _ = try bench.reserve(16, for: Bench.one)
        let sni = SessionNetworkID(unchecked: 256)
        let single = try #require(SNIBlock(first: sni, size: 1))
        #expect(throws: BookError.unknownBlock(single)) { try bench.book.sublease(sni, to: Bench.b) }
        let block = try bench.lease(Bench.one)
        try bench.run { try $0.mark(block, reason: "idle", force: false) }
        #expect(throws: BookError.wrongState(block, .marked, .sublease)) {
            try bench.book.sublease(block.first, to: Bench.b)
        }
    }
}

@Suite struct ExclusionTests {
    @Test func freeIdentifiersLeaveAtOnceAndOwnedOnesWhenFreed() throws {
        var bench = try Bench(chunks: 2)
        let mine = try bench.reserve(16, for: Bench.one)
        let range = mine.block.range
        let wider = SNIRange(unchecked: range.first.rawValue, count: 24)
        try bench.run { try $0.exclude([wider]) }
        #expect(bench.book.excludingLeft == 16)
        #expect(bench.book.capacity == 512 - 8)
        #expect(bench.book.state(of: wider.last) == nil)
        try bench.run { try $0.end(mine.id, reason: "test") }
        #expect(bench.book.excludingLeft == 0)
        #expect(bench.book.capacity == 512 - 24)
        var given = 0
        while let next = try? bench.reserve(64, for: Bench.two) {
            #expect(!next.block.range.overlaps(wider))
            given += next.block.size
        }
        #expect(given == 512 - 24)
        try bench.run { try $0.include([range]) }
        #expect(try bench.reserve(16, for: Bench.two).block.range == range)
        #expect(bench.book.excluding == [SNIRange(unchecked: wider.last.rawValue - 7, count: 8)])
    }

    /// What a floor stands on is not given to others in the time until it is freed.
    @Test func floorsAreMetByWhatStays() throws {
        var bench = try Bench()
        try bench.run { try $0.setQuota(Bench.one, cap: 0, floor: 64) }
        let mine = try bench.reserve(64, for: Bench.one)
        _ = try bench.reserve(128, for: Bench.two)
        let leaving = mine.block.range
        try bench.run { try $0.exclude([leaving]) }
        #expect(throws: BookError.exhausted(wanted: 4, free: 64)) { try bench.reserve(4, for: Bench.two) }
        try bench.run { try $0.end(mine.id, reason: "test") }
        let second = try bench.reserve(64, for: Bench.one)
        #expect(second.block.size == 64)
        // Nothing else is left to stand on.
        let rest = SNIRange(unchecked: second.block.first.rawValue, count: 4)
        #expect(throws: BookError.exhausted(wanted: 4, free: 0)) { try bench.book.exclude([rest]) }
        try bench.run { try $0.setQuota(Bench.one, cap: 0, floor: 60) }
        try bench.run { try $0.exclude([rest]) }
    }

    @Test func wholeChunksAreNotOpened() throws {
        var bench = try Bench(chunks: 3)
        try bench.run { try $0.exclude([SNIRange(unchecked: 256, count: 256), SNIRange(unchecked: 512, count: 256)]) }
        #expect(bench.book.free == 256)
        #expect(try bench.reserve(16, for: Bench.one).block.first.rawValue >= 768)
        #expect(try bench.reserve(256, for: Bench.two).block.first.rawValue >= 768)
        try bench.run { try $0.include([SNIRange(unchecked: 256, count: 256)]) }
        #expect(try bench.reserve(256, for: Bench.two).block.first.rawValue == 256)
    }

    @Test func refusalsNameTheRanges() throws {
        var bench = try Bench()
        let outside = SNIRange(unchecked: 500, count: 20)
        #expect(throws: BookError.outsidePool(outside)) { try bench.book.exclude([outside]) }
        let first = SNIRange(unchecked: 300, count: 20)
        let second = SNIRange(unchecked: 310, count: 20)
        #expect(throws: BookError.overlapping(first, second)) { try bench.book.exclude([second, first]) }
        #expect(throws: BookError.notExcluded(first)) { try bench.book.include([first]) }
        try bench.run { try $0.exclude([first]) }
        #expect(throws: BookError.overlapping(second, first)) { try bench.book.exclude([second]) }
        #expect(throws: BookError.notExcluded(second)) { try bench.book.include([second]) }
        try bench.run { try $0.setQuota(Bench.one, cap: 0, floor: 200) }
        let most = SNIRange(unchecked: 400, count: 100)
        #expect(throws: BookError.exhausted(wanted: 200, free: 136)) { try bench.book.exclude([most]) }
    }
}

@Suite struct PreemptionTests {
    let low = ClassRank(rawValue: 0)
    let middle = ClassRank(rawValue: 1)
    let high = ClassRank(rawValue: 2)

    @Test func reservedGoesFirstThenUnboundBlocksOfTheLowestClass() throws {
        var bench = try Bench()
        try bench.run { try $0.setQuota(Bench.two, cap: 0, floor: 0, rank: middle) }
        try bench.run { try $0.setQuota(Bench.three, cap: 0, floor: 0, rank: high) }
        let lowClaim = try bench.reserve(64, for: Bench.one)
        let middleClaim = try bench.reserve(64, for: Bench.two)
        let bound = try bench.lease(Bench.one)
        let unbound = try bench.lease(Bench.one)
        let better = try bench.lease(Bench.two)
        func plan(_ count: Int, rank: ClassRank) throws -> PreemptionPlan {
            try bench.book.preempt(
                for: Bench.three, count: count, rank: rank, isBound: { $0 == bound })
        }
        let small = try plan(16, rank: high)
        #expect(small.reserved.map(\.application) == [Bench.one] && small.blocks.isEmpty && small.missing == 0)
        #expect(small.reserved.first?.claim == lowClaim.id)
        let whole = try plan(200, rank: high)
        #expect(whole.reserved.reduce(0) { $0 + $1.block.size } == 32 + 48)
        #expect(whole.blocks.map(\.block) == [unbound, better])
        #expect(whole.missing == 200 - 112)
        let onlyLow = try plan(200, rank: middle)
        #expect(onlyLow.blocks.map(\.block) == [unbound])
        #expect(!onlyLow.reserved.contains { $0.claim == middleClaim.id })
        #expect(try plan(10, rank: low).identifiers == 0)
        // Every piece can be taken at once.
        for piece in whole.reserved { try bench.run { try $0.unreserve(piece.block, of: piece.application) } }
        for lease in whole.blocks { try bench.run { try $0.mark(lease.block, reason: "preempted", force: false) } }
    }

    @Test func latestExpiryGoesFirstAndFloorsAreRespected() throws {
        var bench = try Bench()
        let early = try bench.reserve(16, for: Bench.one)
        let late = try bench.reserve(16, for: Bench.one)
        try bench.run { try $0.setQuota(Bench.one, cap: 0, floor: 12) }
        bench.book.setExpiry(of: early.id, at: Instant(nanoseconds: 10_000_000_000))
        bench.book.setExpiry(of: late.id, at: Instant(nanoseconds: 90_000_000_000))
        func plan(_ count: Int) throws -> PreemptionPlan {
            try bench.book.preempt(
                for: Bench.two, count: count, rank: high, isBound: { _ in false })
        }
        #expect(try plan(4).reserved.map(\.block) == [SNIBlock(first: late.block.first, size: 4)])
        let all = try plan(1000)
        #expect(all.identifiers == 20 && all.missing == 980)
        #expect(all.reserved.first?.block == late.block)
        #expect(throws: BookError.self) { try plan(0) }
    }
}
