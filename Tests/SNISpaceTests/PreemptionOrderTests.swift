import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

/// The search for what to preempt, against one that sorts everything there is.
@Suite struct PreemptionOrderTests {
    private struct Taken: Equatable {
        var reserved: [SNIBlock] = []
        var blocks: [SNIBlock] = []
    }

    private static func expected(
        _ book: Book, for taker: ApplicationID, count: Int, rank: ClassRank, isBound: (SNIBlock) -> Bool
    ) -> Taken {
        var taken = Taken()
        var spare: [ApplicationID: Int] = [:]
        for id in book.applications where id != taker && book.rank(of: id) < rank {
            spare[id] = book.accounts[id]?.spare ?? 0
        }
        var left = count
        func until(_ id: ReservationID) -> Instant { book.claims[id]?.until ?? Instant(nanoseconds: 0) }
        let claims = book.reservations().filter { spare[$0.application] != nil }.sorted {
            let (rank, other) = (book.rank(of: $0.application), book.rank(of: $1.application))
            return rank != other ? rank < other : until($0.id) > until($1.id)
        }
        for claim in claims {
            for piece in book.pieces(of: claim.id).flatMap({ book.idleBlocks(touching: $0.range) }) {
                for block in book.grantable(of: piece.block) {
                    let wanted = min((max(0, left) + 3) & ~3, max(0, spare[claim.application] ?? 0) & ~3, block.size)
                    guard wanted > 0 else { continue }
                    let part = SNIRange(unchecked: block.first.rawValue, count: wanted)
                    taken.reserved += PoolPlan.blocks(of: part, orderMax: block.order)
                    left -= wanted
                    spare[claim.application, default: 0] -= wanted
                }
            }
        }
        let leases = book.allLeases.filter {
            spare[$0.application] != nil && ($0.state == .leased || $0.state == .staged)
        }
        func life(_ lease: BlockLease) -> Instant {
            let covering = book.reservations(of: lease.application).filter { claim in
                book.pieces(of: claim.id).contains { $0.range.overlaps(lease.block.range) }
            }
            return covering.map { until($0.id) }.max() ?? Instant(nanoseconds: .max)
        }
        let ranked = leases.map { (rank: book.rank(of: $0.application), life: life($0), lease: $0) }.sorted {
            if $0.rank != $1.rank { return $0.rank < $1.rank }
            return $0.life != $1.life ? $0.life > $1.life : $0.lease.block < $1.lease.block
        }
        for (_, _, lease) in ranked where left > 0 {
            guard spare[lease.application] ?? 0 >= lease.block.size, !isBound(lease.block),
                book.subleases(of: lease.block).isEmpty, book.excludedCount(in: lease.block.range) == 0
            else { continue }
            taken.blocks.append(lease.block)
            left -= lease.block.size
            spare[lease.application, default: 0] -= lease.block.size
        }
        return taken
    }

    @Test func takesWhatSortingEverythingTakes() throws {
        var (reserved, blocks) = (0, 0)
        try property("preemption", iterations: 30) { generator in
            var book = try BookPropertyTests.makeBook(&generator)
            var expiry: Int64 = 0
            for number in 0..<160 {
                for event in (try? BookPropertyTests.step(book, &generator)) ?? [] {
                    book.apply(event)
                    guard case .reserved(let reservation) = event else { continue }
                    // No two at one time: then there is one order.
                    expiry += 1
                    let moment = Instant(nanoseconds: expiry &* 7919 % 1009 * 4096 + expiry)
                    book.setExpiry(of: reservation.id, at: moment)
                }
                guard number % 3 == 0 else { continue }
                let taker = ApplicationID(UUID128(high: 0xA, low: UInt64(generator.integer(in: 1...4))))
                let rank = ClassRank(rawValue: UInt8(generator.integer(in: 0...3)))
                let count = generator.integer(in: 1...900)
                let salt = UInt32(generator.integer(in: 0...3))
                let isBound: (SNIBlock) -> Bool = { ($0.first.rawValue >> 4) % 4 == salt }
                let plan = try book.preempt(for: taker, count: count, rank: rank, isBound: isBound)
                let wanted = Self.expected(book, for: taker, count: count, rank: rank, isBound: isBound)
                let taken = Taken(reserved: plan.reserved.map(\.block), blocks: plan.blocks.map(\.block))
                try hold(taken == wanted, "takes \(taken), sorting takes \(wanted)")
                try hold(plan.missing == max(0, count - plan.identifiers) && plan.rest == nil, "what is missing")
                reserved += plan.reserved.count
                blocks += plan.blocks.count
            }
            try audit(book)
        }
        #expect(reserved > 100 && blocks > 100, "\(reserved) and \(blocks)")
    }

    /// However many blocks are in use: a search looks at so many, and the next one goes on there.
    @Test func searchesGoOnWhereTheyStopped() throws {
        let (low, high) = (Bench.one, Bench.two)
        var book = Book(
            plan: try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 4096, count: 1 << 16)], excluded: [],
                key: ShuffleKey(high: 1, low: 2)))
        func run(_ events: [BookEvent]) { for event in events { book.apply(event) } }
        for number in 0..<16 {
            run(
                try book.reserve(
                    id: Bench.id(UInt64(number)), application: low, count: 4096, blockOrder: 2, predicted: false,
                    lifetime: .seconds(60), reason: "test"))
        }
        while book.hasIdle(low, order: 2) {
            run(try book.lease(application: low, host: Bench.a, order: 2, predicted: false, fromReserved: true))
        }
        #expect(book.leaseCount == 1 << 14)
        let lone = try #require(book.allLeases.map(\.block).randomElement())
        var rest: PreemptionPlan.Rest?
        var searches = 0
        var found: [SNIBlock] = []
        while found.isEmpty, searches < 10 {
            var looks = 0
            let plan = try book.preempt(
                for: high, count: 4, rank: ClassRank(rawValue: 1), from: rest,
                isBound: { block in
                    looks += 1
                    return block != lone
                })
            // The last claim is looked at whole.
            #expect(looks <= Book.preemptionLooksMax + 1024)
            found += plan.blocks.map(\.block)
            rest = plan.rest
            searches += 1
        }
        #expect(found == [lone])
    }
}

@Suite struct SortedPiecesTests {
    @Test func keepsTheOrderOfAnArray() throws {
        try property("sorted pieces", iterations: 10) { generator in
            var pieces = SortedPieces<Int>()
            var model: Set<Int> = []
            for _ in 0..<3000 {
                let number = generator.integer(in: 0...2000)
                if model.remove(number) != nil {
                    pieces.remove(number)
                } else {
                    model.insert(number)
                    pieces.insert(number)
                }
            }
            let start = generator.chance(0.3) ? nil : generator.integer(in: -1...2001)
            var seen: [Int] = []
            pieces.forEach(after: start) { number in
                seen.append(number)
                return seen.count < 900
            }
            let expected = model.sorted().filter { $0 > start ?? .min }.prefix(900)
            try hold(seen == Array(expected), "other elements after \(String(describing: start))")
            for number in model { pieces.remove(number) }
            try hold(pieces.isEmpty, "something stayed")
        }
    }
}
