import Forecasting
import SimulationKit
import Testing

@testable import Allocation

/// The memories of the rule, each against the plain thing that it stands for.
@Suite("Marginal value: memories")
struct MarginalPartsTests {
    @Test func bucketsHoldTheirLevels() {
        for level in 1...4096 {
            #expect(MarginalGrid.bucket(of: level) == MarginalGrid.levels.firstIndex { Int($0) >= level }, "\(level)")
        }
        #expect(MarginalGrid.bucket(of: 0) == nil)
        #expect(MarginalGrid.bucket(of: -3) == nil)
        #expect(MarginalGrid.bucket(of: 4097) == nil)
        for lane in 1..<8 {
            let width = MarginalGrid.floors[lane] - MarginalGrid.floors[lane - 1]
            #expect(MarginalGrid.floorWidths[lane] == Float(width))
        }
    }

    /// A standing floor of n, refilled one lead time after each launch, simulated for itself.
    private struct Floor {
        var free: Int
        var pending: [Float] = []
        mutating func launch(at time: Float, lead: Float) -> Bool {
            let due = pending.filter { $0 <= time }.count
            free += due
            pending.removeAll { $0 <= time }
            guard free > 0 else { return false }
            free -= 1
            pending.append(time + lead)
            return true
        }
    }

    @Test func aRankIsTheSmallestFloorThatServes() throws {
        try property("ranks", iterations: 60) { generator in
            var ranks = LaunchRanks()
            let sizes = [1, 2, 3, 7, 20, 64]
            var floors = sizes.map { Floor(free: $0) }
            var time: Float = 0
            let pace = generator.logUniform(in: 0.02...20)
            for _ in 0..<400 {
                if !generator.chance(0.3) { time += Float(generator.exponential(mean: pace)) }
                let rank = ranks.launch(at: time, lead: 10)
                for (index, size) in sizes.enumerated() {
                    let isServed = floors[index].launch(at: time, lead: 10)
                    try hold(isServed == (rank <= size), "floor \(size), rank \(rank) at \(time)")
                }
            }
        }
    }

    @Test func ranksGoOnOverTicks() {
        var ranks = LaunchRanks()
        #expect(ranks.launch(at: 295, lead: 10) == 1)
        ranks.endTick(seconds: 300)
        #expect(ranks.launch(at: 4, lead: 10) == 2)
        #expect(ranks.launch(at: 5, lead: 10) == 1)
    }

    @Test func agesOfLevelsBracketTheTruth() throws {
        try property("ages", iterations: 20) { generator in
            var ages = LevelAges()
            var peaks: [Int] = []
            for _ in 0..<700 {
                peaks.append(Int(generator.logUniform(in: 1...200)))
                ages.push(peaks[peaks.count - 1])
                for level in [1, 10, 50, 150, 201] {
                    let back = peaks.reversed().enumerated().first { $0.element >= level }?.offset
                    guard let age = ages.age(of: level) else {
                        try hold(back == nil, "level \(level) was there \(back ?? 0) ticks ago")
                        continue
                    }
                    guard let back else { throw PropertyViolation("level \(level) was never there") }
                    let younger = age > 0 ? ages.ages[age - 1] : 0
                    try hold(Float(back + 1) <= ages.ages[age] && Float(back + 1) > younger, "level \(level): \(back)")
                }
            }
        }
    }

    @Test func hazardsRiseWithLaunchesAndFadeWithoutThem() {
        var ages = LevelAges()
        for peak in [9, 9, 4, 4, 4, 4] { ages.push(peak) }
        guard let age = ages.age(of: 9) else {
            Issue.record("level 9 is forgotten")
            return
        }
        var hazards = LevelHazards()
        let before = hazards.rate(age: age, ticks: 6)[0]
        for _ in 0..<200 { hazards.endTick(above: 4, ages: ages, length: 1) }
        let idle = hazards.rate(age: age, ticks: 6)[0]
        #expect(idle < before / 5)
        for _ in 0..<100 {
            hazards.endTick(above: 4, ages: ages, length: 1)
            for _ in 5...9 { hazards.launch(age: age, lanes: [1, 1, 0, 0, 0, 0, 0, 0]) }
        }
        let busy = hazards.rate(age: age, ticks: 6)
        #expect(busy[0] > 0.25 && busy[0] < 0.45)
        #expect(busy[2] < 0.02)
        for _ in 0..<20_000 { hazards.endTick(above: 4, ages: ages, length: 1) }
        #expect(hazards.rate(age: age, ticks: 6)[0] < 0.01)
    }

    @Test func aWeekIsKeptToSixPerCent() throws {
        try property("season", iterations: 5) { generator in
            var ring = SeasonRing()
            var peaks: [Int] = []
            var rises: [Int] = []
            for _ in 0..<3000 {
                peaks.append(Int(generator.logUniform(in: 1...50_000)))
                rises.append(generator.integer(in: 0...peaks[peaks.count - 1]))
                ring.push(peak: peaks[peaks.count - 1], rise: rises[rises.count - 1])
            }
            for back in [12, 288, 2016] {
                let place = peaks.count - back
                let truth = peaks[place - 1...place + 1].max() ?? 0
                let kept = try #require(ring.peak(around: back))
                try hold(kept <= truth && Double(kept) >= 0.94 * Double(truth), "\(kept) for \(truth)")
                let rise = try #require(ring.rise(back))
                try hold(rise <= rises[place] && rise >= min(2048, rises[place] / 2), "\(rise) for \(rises[place])")
            }
            #expect(ring.rise(2018) != nil)
            #expect(ring.rise(2019) == nil)
            #expect(ring.peak(around: 2018) == nil)
        }
    }

    @Test func sixteenBitsFollowThePlainMeans() throws {
        var rises = LevelRises()
        var generator = SeededGenerator(seed: 3)
        var plain = [Double](repeating: 0, count: MarginalGrid.scales.count)
        var weights = plain
        for tick in 0..<9000 {
            var counts = [SIMD8<UInt16>](repeating: .zero, count: MarginalGrid.levels.count)
            let count = tick % 4000 < 2000 && generator.chance(0.2) ? generator.integer(in: 1...30) : 0
            counts[5] = SIMD8(repeating: UInt16(count))
            rises.endTick(counts, length: 1)
            for (scale, ticks) in MarginalGrid.scales.enumerated() {
                plain[scale] += (Double(count) - plain[scale]) / Double(ticks)
                weights[scale] += (1 - weights[scale]) / Double(ticks)
                let kept = Double(rises.rate(5, scale: scale)?[3] ?? 0)
                let truth = plain[scale] / weights[scale]
                #expect(abs(kept - truth) <= 0.04 * truth + 0.001, "scale \(ticks), tick \(tick)")
            }
        }
        #expect(rises.rate(6, scale: 0) == nil)
    }

    @Test func largeRisesAreRarerThanSmallOnes() {
        var spread = RiseSpread()
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<3000 {
            let rise = generator.poisson(mean: generator.chance(0.02) ? 40 : 2)
            spread.endTick(rise: rise, change: -rise, length: 1)
        }
        var last: Float = 0
        for level in [1, 2, 5, 10, 20, 50, 100, 1000] as [Float] {
            let share = spread.logShare(level)
            #expect(share < last, "\(level)")
            last = share
        }
        let scale = spread.scale
        #expect(spread.logShare(4 * scale) > -8 && spread.logShare(4 * scale) < -1.5)
    }

    @Test func singlePrecisionFunctionsAreExactEnough() {
        for step in -200...200 {
            let x = Float(step) * 0.37
            let power = Elementary.exp2(SIMD8(repeating: x))[3]
            #expect(abs(Double(power) / Elementary.exp2(Double(x)) - 1) < 2e-6)
            #expect(abs(Elementary.log2(SIMD8(repeating: power))[5] - x) < 3e-6 * max(1, abs(x)))
        }
    }
}
