import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct TemperatureTests {
    @Test func coldChunksAreLeftAndCooledByTimeAlone() throws {
        var bench = try Bench(chunks: 3)
        let thresholds = TemperatureThresholds(hotAbove: 4, coldBelow: 1, halfLife: .seconds(3600))
        let claim = try bench.reserve(16, for: Bench.one)
        var temperatures = Temperatures(thresholds, of: bench.book)
        let chunk = bench.book.plan.chunk(of: claim.block.first)
        func at(_ hours: Int) -> Instant { Instant(nanoseconds: 0) + .seconds(3600 * hours) }
        #expect(temperatures.flips(of: bench.book, at: at(0)).isEmpty)
        #expect(temperatures.flips(of: bench.book, at: at(1)).isEmpty)
        let cooled = temperatures.flips(of: bench.book, at: at(3))
        #expect(cooled.map(\.chunk) == [chunk] && cooled.map(\.isHot) == [false])
        try bench.run { try $0.temper(chunk: chunk, isHot: false) }
        // Not hot again before it passes the upper threshold.
        temperatures.launched(in: claim.block, chunk: chunk, at: at(3))
        #expect(temperatures.flips(of: bench.book, at: at(3)).isEmpty)
        let elsewhere = try bench.reserve(64, for: Bench.one)
        #expect(bench.book.plan.chunk(of: elsewhere.block.first) != chunk)
        for _ in 0..<8 { temperatures.launched(in: claim.block, chunk: chunk, at: at(3)) }
        #expect(temperatures.flips(of: bench.book, at: at(3)).first?.isHot == true)
    }

    @Test func compactionDrainsTheColdestHalfEmptyRanges() throws {
        var bench = try Bench()
        _ = try bench.reserve(64, for: Bench.one)
        let blocks = try (0..<4).map { _ in try bench.lease(Bench.one) }
        let now = Instant(nanoseconds: 0)
        let temperatures = Temperatures()
        func plan(_ used: [SNIBlock: Int], limit: Int = 9) -> [SNIBlock] {
            bench.book.compactionPlan(
                of: Bench.one, temperatures: temperatures, at: now, limit: limit, used: { used[$0] ?? 0 }
            ).map(\.block)
        }
        #expect(plan([blocks[0]: 16, blocks[1]: 16]).isEmpty)
        #expect(plan([blocks[1]: 16]) == [blocks[0], blocks[2], blocks[3]])
        #expect(plan([blocks[1]: 16], limit: 1) == [blocks[0]])
    }

    /// Against a look at every open chunk: nothing flips that should not, and what should does so soon.
    @Test func whatIsLookedAtIsWhatMayHaveChanged() throws {
        try property("temperatures equal a full look", iterations: 20) { generator in
            let halfLife = Duration.seconds(3600)
            let thresholds = TemperatureThresholds(hotAbove: 4, coldBelow: 1, halfLife: halfLife)
            var bench = try Bench(chunks: 6)
            var temperatures = Temperatures(thresholds, of: bench.book)
            var now = Instant(nanoseconds: 0)
            var wrongSince: [UInt32: Instant] = [:]
            for _ in 0..<300 {
                now = now + Duration.seconds(Int.random(in: 1...900, using: &generator))
                if generator.chance(0.05), bench.book.free >= 64 {
                    let events = try bench.run {
                        try $0.reserve(
                            id: ReservationID(UUID128(high: 7, low: generator.next())), application: Bench.one,
                            count: 64, blockOrder: 4, predicted: false, lifetime: .seconds(9), reason: "test")
                    }
                    for event in events { temperatures.follow(event, of: bench.book) }
                }
                for (chunk, _) in bench.book.openChunks where generator.chance(0.1) {
                    guard let block = SNIBlock(first: SessionNetworkID(unchecked: chunk << 8), size: 16) else {
                        continue
                    }
                    for _ in 0..<Int.random(in: 1...6, using: &generator) {
                        temperatures.launched(in: block, chunk: chunk, at: now)
                    }
                }
                let flips = temperatures.flips(of: bench.book, at: now)
                let hot = Dictionary(bench.book.openChunks.map { ($0.chunk, $0.isHot) }, uniquingKeysWith: { $1 })
                for flip in flips {
                    let rate = temperatures.rate(ofChunk: flip.chunk, at: now)
                    #expect(hot[flip.chunk] == !flip.isHot)
                    #expect(flip.isHot ? rate > 4 : rate < 1)
                }
                for (chunk, isHot) in hot where !flips.contains(where: { $0.chunk == chunk }) {
                    let rate = temperatures.rate(ofChunk: chunk, at: now)
                    let isWrong = isHot ? rate < 1 : rate > 4
                    if !isWrong { wrongSince[chunk] = nil }
                    if isWrong, wrongSince[chunk] == nil { wrongSince[chunk] = now }
                    if let since = wrongSince[chunk] { #expect(now - since <= halfLife / 16) }
                }
                for flip in flips where generator.chance(0.8) {
                    wrongSince[flip.chunk] = nil
                    let events = try bench.run { try $0.temper(chunk: flip.chunk, isHot: flip.isHot) }
                    for event in events { temperatures.follow(event, of: bench.book) }
                }
            }
        }
    }
}
