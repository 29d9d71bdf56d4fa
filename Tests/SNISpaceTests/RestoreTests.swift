import Foundation
import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

/// Snapshots whose bytes are whole and whose content is impossible.
@Suite struct RestoreTests {
    /// One chunk of 256: `one` leases a block of 16 on host a with a sub-lease on b, and has 48 more reserved; `two` has
    /// 16 reserved, and a part of the rest leaves the pool.
    private func bench() throws -> Bench {
        var bench = try Bench()
        _ = try bench.reserve(64, for: Bench.one)
        let block = try bench.lease(Bench.one)
        try bench.run { try $0.sublease(block.first, to: Bench.b) }
        _ = try bench.reserve(16, for: Bench.two)
        try bench.run { try $0.exclude([SNIRange(unchecked: 500, count: 4)]) }
        try bench.run { try $0.setQuota(Bench.two, cap: 100, floor: 8) }
        return bench
    }

    private func refuse(_ expected: BookError, _ change: (inout BookSnapshot) throws -> Void) throws {
        var snapshot = try bench().book.snapshot
        try change(&snapshot)
        #expect(throws: expected) { try Book(restoring: snapshot) }
    }

    @Test func overlapsNameBothRanges() throws {
        let first = SNIBlock(aligned: 256, order: 4)
        try refuse(.overlapping(first.range, SNIBlock(aligned: 264, order: 3).range)) {
            var other = try #require($0.leases.first)
            other.block = SNIBlock(aligned: 264, order: 3)
            $0.leases.append(other)
        }
        // A lease of what another application has reserved.
        let theirs = SNIBlock(aligned: 320, order: 4)
        try refuse(.overlapping(theirs.range, theirs.range)) {
            var other = try #require($0.leases.first)
            other.block = theirs
            $0.leases.append(other)
        }
        // Two claims of the same identifiers.
        let mine = SNIBlock(aligned: 256, order: 6)
        try refuse(.overlapping(mine.range, mine.range)) {
            var twin = try #require($0.holdings.first)
            twin.reservation.id = ReservationID(UUID128(high: .max, low: 0))
            $0.holdings.append(twin)
        }
    }

    @Test func whatLiesElsewhereIsRefused() throws {
        let outside = SNIBlock(aligned: 512, order: 4)
        try refuse(.outsidePool(outside.range)) {
            var other = try #require($0.leases.first)
            other.block = outside
            $0.leases.append(other)
        }
        try refuse(.outsidePool(SNIRange(unchecked: 510, count: 4))) {
            $0.excluding = [SNIRange(unchecked: 510, count: 4)]
        }
        try refuse(
            .contradictory(part: "claims", why: "512/16 is no part of 256/64 of \(Bench.id(1))")
        ) { $0.holdings[0].pieces.append(outside) }
        try refuse(.unknownBlock(SNIBlock(aligned: 300, order: 0))) {
            $0.subleases[0].block = SNIBlock(aligned: 300, order: 0)
        }
        try refuse(.contradictory(part: "chunks", why: "256/64 is owned and lies in no open chunk")) { $0.chunks = [] }
    }

    @Test func applicationsQuotasAndEpochsAreChecked() throws {
        try refuse(.retired(Bench.one)) { $0.retired = [Bench.one] }
        try refuse(.invalid(field: "cap", why: "must be from 0 (none) to 16777216")) { $0.quotas[0].cap = .max }
        try refuse(.invalid(field: "floor", why: "must be from 0 to 100")) { $0.quotas[0].floor = 101 }
        let block = SNIBlock(aligned: 256, order: 4)
        try refuse(.stale(block, named: Epoch(99), inForce: Epoch(2))) { $0.leases[0].epoch = Epoch(99) }
        try refuse(.contradictory(part: "epoch", why: "\(UInt64.max) is beyond \(UInt64.max >> 1)")) {
            $0.epoch = Epoch(.max)
        }
        try refuse(.contradictory(part: "leases", why: "256/16 is leased and being reclaimed")) {
            $0.leases[0].reason = "idle"
        }
        try refuse(.contradictory(part: "reclaimed", why: "0 entries of \(UInt64.max)")) { $0.reclaimedLast = .max }
    }

    @Test func storedValuesAreCheckedWhereTheyAreRead() throws {
        let plan = try bench().book.plan
        let text = try #require(String(bytes: JSONEncoder().encode(plan), encoding: .utf8))
        for (good, bad) in [("\"chunkOrder\":8", "\"chunkOrder\":40"), ("\"count\":256", "\"count\":\(Int.max)")] {
            let edited = text.replacing(good, with: bad)
            #expect(edited != text)
            #expect(throws: (any Error).self) { try JSONDecoder().decode(PoolPlan.self, from: Data(edited.utf8)) }
        }
    }

    // MARK: Any field, any value

    @Test func anyMutationRestoresToAnAuditedBookOrThrows() throws {
        var restored = 0
        var refused: [String: Int] = [:]
        try property("mutated snapshots", iterations: 60) { generator in
            var book = try BookPropertyTests.makeBook(&generator)
            for _ in 0..<120 {
                for event in (try? BookPropertyTests.step(book, &generator)) ?? [] { book.apply(event) }
            }
            for _ in 0..<60 {
                var snapshot = book.snapshot
                for _ in 0..<generator.integer(in: 1...2) { Self.mutate(&snapshot, &generator) }
                do {
                    var other = try Book(restoring: snapshot)
                    try audit(other)
                    try hold(other.snapshot == snapshot, "a mutated snapshot restores to another book")
                    for _ in 0..<20 {
                        for event in (try? BookPropertyTests.step(other, &generator)) ?? [] { other.apply(event) }
                    }
                    try audit(other)
                    restored += 1
                } catch let error as BookError {
                    refused["\(error)".prefix { $0 != "(" }.description, default: 0] += 1
                }
            }
        }
        // Both happen, and refusals are not all of one kind.
        #expect(restored > 100)
        #expect(refused.count > 5 && refused.values.reduce(0, +) > 1000, "\(refused)")
    }

    private static func mutate(_ snapshot: inout BookSnapshot, _ generator: inout SeededGenerator) {
        switch generator.integer(in: 0...5) {
        case 0: mutateChunks(&snapshot, &generator)
        case 1: mutateApplications(&snapshot, &generator)
        case 2: mutateHoldings(&snapshot, &generator)
        case 3: mutate(&snapshot.leases, &generator)
        case 4: mutate(&snapshot.subleases, &generator)
        default: mutateRest(&snapshot, &generator)
        }
    }

    private static func block(_ generator: inout SeededGenerator) -> SNIBlock {
        let order = generator.integer(in: 0...10)
        let first = (UInt32(generator.integer(in: 0...5000)) >> UInt32(order)) << UInt32(order)
        return SNIBlock(aligned: first, order: order)
    }

    private static func range(_ generator: inout SeededGenerator) -> SNIRange {
        SNIRange(unchecked: UInt32(generator.integer(in: 0...5000)), count: generator.integer(in: 1...300))
    }

    private static func application(_ generator: inout SeededGenerator) -> ApplicationID {
        ApplicationID(UUID128(high: 0xA, low: UInt64(generator.integer(in: 0...4))))
    }

    private static func odd(_ generator: inout SeededGenerator) -> Int {
        generator.pick(from: [0, 1, -1, 7, 64, 255, 1 << 24, 1 << 40, .max, .min]) ?? 0
    }

    /// Drops, doubles or swaps elements.
    private static func shuffle<Element>(_ list: inout [Element], _ generator: inout SeededGenerator) {
        guard let place = list.indices.randomElement(using: &generator) else { return }
        switch generator.integer(in: 0...2) {
        case 0: list.remove(at: place)
        case 1: list.insert(list[place], at: list.indices.randomElement(using: &generator) ?? 0)
        default: list.swapAt(place, list.indices.randomElement(using: &generator) ?? 0)
        }
    }

    private static func mutateChunks(_ snapshot: inout BookSnapshot, _ generator: inout SeededGenerator) {
        guard let place = snapshot.chunks.indices.randomElement(using: &generator) else { return }
        switch generator.integer(in: 0...4) {
        case 0: snapshot.chunks[place].index = odd(&generator)
        case 1: snapshot.chunks[place].home = application(&generator)
        case 2: snapshot.chunks[place].isHot.toggle()
        case 3:
            snapshot.chunks.append(
                .init(index: generator.integer(in: 0...70_000), home: application(&generator), isHot: true))
            snapshot.chunks.sort { $0.index < $1.index }
        default: shuffle(&snapshot.chunks, &generator)
        }
    }

    private static func mutateApplications(_ snapshot: inout BookSnapshot, _ generator: inout SeededGenerator) {
        switch generator.integer(in: 0...4) {
        case 0: snapshot.retired.append(application(&generator))
        case 1: shuffle(&snapshot.quotas, &generator)
        case 2:
            snapshot.quotas.append(
                .init(
                    application: application(&generator), cap: generator.integer(in: 0...300), floor: 0,
                    rank: ClassRank(rawValue: 1)))
            snapshot.quotas.sort { $0.application < $1.application }
        default:
            guard let place = snapshot.quotas.indices.randomElement(using: &generator) else { return }
            switch generator.integer(in: 0...3) {
            case 0: snapshot.quotas[place].cap = odd(&generator)
            case 1: snapshot.quotas[place].floor = odd(&generator)
            case 2: snapshot.quotas[place].rank = ClassRank(rawValue: UInt8(generator.integer(in: 0...255)))
            default: snapshot.quotas[place].application = application(&generator)
            }
        }
    }

    private static func mutateHoldings(_ snapshot: inout BookSnapshot, _ generator: inout SeededGenerator) {
        guard let place = snapshot.holdings.indices.randomElement(using: &generator) else { return }
        switch generator.integer(in: 0...6) {
        case 0: snapshot.holdings[place].reservation.block = block(&generator)
        case 1: snapshot.holdings[place].reservation.application = application(&generator)
        case 2: snapshot.holdings[place].reservation.id = ReservationID(.random(using: &generator))
        case 3: snapshot.holdings[place].reservation.lifetime = .seconds(odd(&generator))
        case 4:
            let piece = snapshot.holdings[place].pieces.indices.randomElement(using: &generator) ?? 0
            snapshot.holdings[place].pieces[piece] = block(&generator)
        case 5: shuffle(&snapshot.holdings[place].pieces, &generator)
        default: shuffle(&snapshot.holdings, &generator)
        }
    }

    private static func mutate(_ leases: inout [BlockLease], _ generator: inout SeededGenerator) {
        guard let place = leases.indices.randomElement(using: &generator) else { return }
        switch generator.integer(in: 0...9) {
        case 0: leases[place].block = block(&generator)
        case 1: leases[place].application = application(&generator)
        case 2:
            leases[place].host = generator.pick(from: ["a", "b", "z"].compactMap { HostID($0) }) ?? leases[place].host
        case 3: leases[place].epoch = Epoch(UInt64(bitPattern: Int64(odd(&generator))))
        case 4: leases[place].grantEpoch = Epoch(UInt64(bitPattern: Int64(odd(&generator))))
        case 5: leases[place].state = generator.pick(from: LeaseState.allCases) ?? .leased
        case 6: leases[place].fenced.toggle()
        case 7: leases[place].stagedBeforeMark.toggle()
        case 8: leases[place].reason = generator.pick(from: ["", "why", "\u{0}"]) ?? ""
        default: shuffle(&leases, &generator)
        }
    }

    private static func mutateRest(_ snapshot: inout BookSnapshot, _ generator: inout SeededGenerator) {
        switch generator.integer(in: 0...7) {
        case 0: snapshot.excluding = [range(&generator)]
        case 1: snapshot.excluding.append(range(&generator))
        case 2: snapshot.epoch = Epoch(UInt64(bitPattern: Int64(odd(&generator))))
        case 3: snapshot.reclaimedLast = UInt64(bitPattern: Int64(odd(&generator)))
        case 4: shuffle(&snapshot.reclaimed, &generator)
        case 5: shuffle(&snapshot.answers, &generator)
        case 6:
            let pool = [range(&generator), range(&generator)]
            let orders = [7, 8, 9, 12, 16]
            let plan = try? PoolPlan(
                chunkOrder: generator.pick(from: orders) ?? 8, pool: pool, excluded: [], key: snapshot.plan.key)
            if let plan { snapshot.plan = plan }
        default:
            let plan = try? PoolPlan(
                chunkOrder: 8, pool: BookPropertyTests.pool, excluded: [range(&generator)], key: snapshot.plan.key)
            if let plan { snapshot.plan = plan }
        }
    }
}
