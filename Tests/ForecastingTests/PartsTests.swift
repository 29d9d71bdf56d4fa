import Foundation
import SimulationKit
import Testing

@testable import Forecasting

@Suite("Parts of a forecast")
struct PartsTests {
    @Test func elementaryFunctionsAgreeWithTheMathLibrary() throws {
        try property("log2, exp2, power", iterations: 500) { generator in
            let x = exp(40 * (generator.unit() - 0.5))
            try hold(abs(Elementary.log2(x) - log2(x)) < 1e-9, "log2(\(x))")
            let y = 60 * (generator.unit() - 0.5)
            try hold(abs(Elementary.exp2(y) / exp2(y) - 1) < 1e-9, "exp2(\(y))")
            try hold(abs(Elementary.power(x, 0.8) / pow(x, 0.8) - 1) < 1e-7, "power(\(x))")
        }
        #expect(Elementary.power(0, 0.8) == 0)
        #expect(Elementary.exp2(1e9).isFinite)
    }

    @Test func leadsAreFollowedCloselyWithBoundedSlots() {
        for ticks in 1...20_000 {
            let shape = LeadShape(ticks: ticks)
            #expect(shape.slots <= LeadShape.slotLimit && shape.ticks == shape.stride * shape.slots)
            #expect(abs(Double(shape.ticks - ticks)) <= 0.08 * Double(ticks))
        }
    }

    @Test func sameLeadsAreFollowedOnce() {
        let configuration = ProfileConfiguration(
            sampleInterval: .milliseconds(200), horizons: [.milliseconds(208), .seconds(1)],
            shortLeads: [.milliseconds(7), .milliseconds(200)], dayLength: .seconds(60))
        #expect(configuration.leads.map(\.ticks) == [1, 5])
    }

    @Test func everyResidualLiesInsideItsBin() throws {
        try property("bins", iterations: 500) { generator in
            let value = exp(8 * (generator.unit() - 0.5)) * (generator.chance(0.5) ? 1 : -1)
            let index = ResidualBins.index(of: value)
            let (low, high) = ResidualBins.bounds(index)
            if index == ResidualBins.side {
                try hold(abs(value) < ResidualBins.edges[0], "\(value) is not nothing")
            } else if index > 0 && index < ResidualBins.count - 1 {
                try hold(value >= low && value <= high, "\(value) is outside \(low)...\(high)")
            }
        }
        #expect(ResidualBins.index(of: 1e9) == ResidualBins.count - 1)
        #expect(ResidualBins.index(of: -1e9) == 0)
    }

    @Test func histogramQuantilesRiseWithTheLevelAndFollowTheData() throws {
        try property("histogram quantiles", iterations: 50) { generator in
            var histogram = ResidualTable(rows: 2)
            var values: [Double] = []
            for _ in 0..<400 {
                let value = generator.normal()
                values.append(value)
                histogram.add(value, row: 1, weight: 1)
            }
            values.sort()
            var last = -Double.infinity
            for level in Quantile.levels {
                let quantile = try #require(histogram.quantile(level, row: 1, weight: 1))
                try hold(quantile >= last, "crossing at \(level)")
                last = quantile
                try hold(histogram.quantile(level, row: 0, weight: 1) == nil, "rows mix")
                // At most one bin away, and a bin spans a factor of 1.91.
                let exact = values[Int(level * 400)]
                try hold(abs(quantile - exact) <= 0.1 + 0.91 * abs(exact), "\(quantile) for \(exact) at \(level)")
            }
        }
    }

    @Test func fewObservationsGiveWideQuantiles() {
        var histogram = ResidualTable(rows: 2)
        #expect(histogram.quantile(0.5, row: 0, weight: 1) == nil)
        for _ in 0..<9 { histogram.add(0, row: 0, weight: 1) }
        histogram.add(3, row: 0, weight: 1)
        // Of ten observations, the .95 quantile of a new one is at least the largest; of a thousand such it is not.
        #expect(histogram.quantile(0.95, row: 0, weight: 1) ?? 0 >= 3)
        #expect(histogram.quantile(0.5, row: 0, weight: 1) == 0)
        for _ in 0..<990 { histogram.add(0, row: 0, weight: 1) }
        #expect(histogram.quantile(0.95, row: 0, weight: 1) == 0)
    }

    @Test func theSeasonIsLearnedOnceEverySlotWasSeen() {
        var season = SeasonalProfile(ticksPerDay: 960)
        func value(_ tick: Int) -> Double { Double(tick % 960 < 480 ? 10 : 30) }
        for tick in 0..<960 {
            #expect(!season.isComplete)
            season.add(level: value(tick), launches: tick % 960 < 480 ? 0 : 2, tick: tick, isNewTick: true)
        }
        season.add(level: 10, launches: 0, tick: 960, isNewTick: true)
        #expect(season.isComplete)
        #expect(season.level(at: 960 + 240) == 10)
        #expect(season.level(at: 960 + 700) == 30)
        #expect(season.peak(from: 1000, to: 1400) == 10)
        #expect(season.peak(from: 1000, to: 1600) == 30)
        #expect(season.peak(from: 1000, to: 1000 + 9600) == 30)
        #expect(abs(season.launches(from: 960, to: 1920) - 960) < 1e-6)
        #expect(abs(season.launches(from: 1200, to: 1200 + 3 * 960) - 2880) < 1e-6)
        #expect(abs(season.launches(from: 1340, to: 1540) - 200) < 1e-6)
    }

    @Test func anUnknownSlotKeepsWhatWasLearned() {
        var season = SeasonalProfile(ticksPerDay: 960)
        for tick in 0..<960 { season.add(level: 50, launches: 1, tick: tick, isNewTick: true) }
        // The next day only three of ten ticks of a slot are known, and they are far off.
        for tick in [960, 961, 962, 970] { season.add(level: 0, launches: 0, tick: tick, isNewTick: true) }
        #expect(season.level(at: 965) == 50)
    }

    @Test func persistenceLearnsWhatIsLeftOfADeviation() {
        var full = Persistence(lead: 0.5)
        var none = Persistence(lead: 0.01)
        #expect(none.value > 0.9 && full.value < 0.3)
        for step in 0..<2000 {
            let deviation = step % 2 == 0 ? 2.0 : -2.0
            full.learn(deviation: deviation, later: deviation, scale: 1, decay: 0.999)
            none.learn(deviation: deviation, later: 0, scale: 1, decay: 0.999)
        }
        #expect(full.value > 0.95)
        #expect(none.value < 0.05)
    }
}
