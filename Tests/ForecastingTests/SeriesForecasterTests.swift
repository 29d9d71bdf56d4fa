import SimulationKit
import Testing

@testable import Forecasting

/// A quarter of an hour between samples keeps the tests quick.
enum Quarter {
    static let day = 96
    static let plan: SeriesPlan = {
        guard let configuration = try? SeriesConfiguration(samplesPerDay: day) else {
            preconditionFailure("96 samples a day are allowed")
        }
        return SeriesPlan(configuration)
    }()
    static let prior = FleetPrior(plan: plan)

    static func series(seed: UInt64 = 1, days: Int, _ change: (inout SyntheticSeries.Shape) -> Void) -> SyntheticSeries
    {
        var shape = SyntheticSeries.Shape()
        change(&shape)
        return SyntheticSeries(shape, seed: seed, days: days, samplesPerDay: day)
    }

    static func learned(_ values: some Sequence<Double?>) throws -> SeriesForecaster {
        var forecaster = SeriesForecaster(plan: plan, prior: prior)
        for (tick, value) in values.enumerated() {
            if let value { try forecaster.observe(value, at: tick) } else { forecaster.skip(to: tick) }
        }
        return forecaster
    }
}

func pinballLoss(_ quantiles: SIMD8<Float>, _ value: Double) -> Double {
    Quantile.levels.indices.reduce(0) { sum, place in
        let miss = value - Double(quantiles[place])
        return sum + max(Quantile.levels[place] * miss, (Quantile.levels[place] - 1) * miss)
    }
}

@Suite("Series forecaster")
struct SeriesForecasterTests {
    @Test func knowsNothingBeforeTheFirstSample() {
        let forecaster = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        #expect(forecaster.quantiles(ahead: 1) == nil)
        #expect(forecaster.quantiles(upTo: 5).isEmpty)
        #expect(forecaster.state == .cold)
    }

    @Test func aFlatSeriesIsForecastFlatToTheBit() throws {
        let forecaster = try Quarter.learned(Array(repeating: 183.0, count: 10 * Quarter.day))
        for quantiles in forecaster.quantiles(upTo: Quarter.day) { #expect(quantiles == SIMD8(repeating: 183)) }
        #expect(forecaster.state == .ready)
    }

    @Test func quantilesAreOrderedPositiveAndCapped() throws {
        try property("order, sign, cap", iterations: 20) { generator in
            let seed = generator.next()
            let (mean, size) = (generator.logUniform(in: 0.1...1000), generator.unit() * 20)
            let (activity, noise) = (generator.unit(), generator.unit())
            let series = Quarter.series(seed: seed, days: 1 + generator.integer(in: 0...9)) {
                ($0.mean, $0.bursts, $0.burstSize, $0.activity) = (mean, 3, size, activity)
                ($0.noise, $0.daily, $0.isWhole) = (noise, 0.8, true)
            }
            let forecaster = try Quarter.learned(series.values)
            let limit = 10 * Float(series.values.compactMap { $0 }.max() ?? 0)
            for quantiles in forecaster.quantiles(upTo: Quarter.day + 5) {
                for place in 0..<8 {
                    try hold(quantiles[place] >= 0 && quantiles[place] <= limit, "\(quantiles) beyond \(limit)")
                    try hold(place == 0 || quantiles[place] >= quantiles[place - 1], "crossing: \(quantiles)")
                }
            }
        }
    }

    @Test func oneStepAloneIsTheSameAsAmongAll() throws {
        let series = Quarter.series(days: 9) { ($0.daily, $0.noise) = (0.5, 0.1) }
        let forecaster = try Quarter.learned(series.values)
        let all = forecaster.quantiles(upTo: Quarter.day)
        for ahead in [1, 3, 17, 96] { #expect(forecaster.quantiles(ahead: ahead) == all[ahead - 1]) }
    }

    @Test func theFutureDoesNotReachThePast() throws {
        let series = Quarter.series(days: 8) { ($0.daily, $0.noise) = (0.5, 0.1) }
        let cut = 600
        var other = series.values
        for place in cut..<other.count { other[place] = 9999 }
        let a = try Quarter.learned(series.values[..<cut])
        let b = try Quarter.learned(other[..<cut])
        #expect(a.encoded() == b.encoded())
    }

    @Test func theDailyShapeIsUsedWhereThereIsOne() throws {
        let series = Quarter.series(days: 12) { ($0.daily, $0.noise) = (0.6, 0.02) }
        let cut = 10 * Quarter.day
        let forecaster = try Quarter.learned(series.values[..<cut])
        for (step, quantiles) in forecaster.quantiles(upTo: Quarter.day).enumerated() {
            #expect(abs(Double(quantiles[3]) - series.expected[cut + step]) < 12)
        }
        let explanation = forecaster.explanation
        #expect(explanation.dailyWeight + explanation.weeklyWeight > 0.6)
        for lead in explanation.leads {
            #expect(abs(lead.experts.reduce(0) { $0 + $1.middleWeight } - 1) < 1e-3)
            #expect(lead.experts.allSatisfy { $0.middleLoss != nil })
        }
    }

    @Test func coversWhatItSays() throws {
        var (inside80, inside95, count) = (0.0, 0.0, 0.0)
        for seed in 1...4 {
            let series = Quarter.series(seed: UInt64(seed), days: 16) { ($0.daily, $0.noise) = (0.4, 0.1) }
            var forecaster = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
            for (tick, value) in series.values.enumerated() {
                let value = try #require(value)
                if tick > 8 * Quarter.day, let given = forecaster.quantiles(ahead: 1) {
                    count += 1
                    inside80 += Double(given[2]) <= value && value <= Double(given[4]) ? 1 : 0
                    inside95 += Double(given[0]) <= value && value <= Double(given[6]) ? 1 : 0
                }
                try forecaster.observe(value, at: tick)
            }
        }
        #expect(abs(inside80 / count - 0.8) < 0.05)
        #expect(abs(inside95 / count - 0.95) < 0.03)
    }
}

@Suite("Level shifts")
struct LevelShiftTests {
    /// Learned for ten days, then three times as large: the shape is kept and the loss is soon that of three such series.
    @Test func aLastingShiftIsTheNewLevel() throws {
        var (covered, count, loss, normal) = (0.0, 0.0, 0.0, 0.0)
        for seed in 1...4 {
            let make = { (factor: Double) in
                Quarter.series(seed: UInt64(seed), days: 13) {
                    ($0.daily, $0.noise, $0.phase) = (0.4, 0.03, Double(seed) / 4)
                    ($0.shift, $0.shiftDay) = (factor, 10)
                }
            }
            let (flat, up) = (make(1), make(3))
            var calm = try Quarter.learned(flat.values[..<(10 * Quarter.day)])
            var moved = calm
            for tick in 10 * Quarter.day..<12 * Quarter.day {
                let value = try #require(up.values[tick])
                let given = try #require(moved.quantiles(ahead: 1))
                if tick >= 10 * Quarter.day + 6 {
                    count += 1
                    covered += Double(given[1]) <= value && value <= Double(given[5]) ? 1 : 0
                }
                if tick >= 11 * Quarter.day {
                    loss += pinballLoss(given, value)
                    let usual = try #require(calm.quantiles(ahead: 1))
                    normal += try 3 * pinballLoss(usual, #require(flat.values[tick]))
                }
                try moved.observe(value, at: tick)
                try calm.observe(#require(flat.values[tick]), at: tick)
            }
            #expect(moved.explanation.lastShift != nil)
        }
        #expect(covered / count >= 0.85)
        #expect(loss / normal <= 1.2)
    }

    @Test func threeOutliersAreNoShift() throws {
        let series = Quarter.series(days: 10) { ($0.daily, $0.noise) = (0.4, 0.03) }
        var values = series.values
        for place in 850..<853 { values[place] = 900 }
        let (clean, dirty) = (try Quarter.learned(series.values), try Quarter.learned(values))
        #expect(dirty.explanation.lastShift == nil)
        let (a, b) = (try #require(clean.quantiles(ahead: 4)), try #require(dirty.quantiles(ahead: 4)))
        #expect(abs(a[3] - b[3]) < 0.1 * a[3])
    }
}
