import SimulationKit
import Testing

@testable import Forecasting

@Suite("Samples that are late, wrong or missing")
struct SeriesInputTests {
    private let series = Quarter.series(days: 9) { ($0.daily, $0.noise) = (0.5, 0.05) }

    @Test func whatIsWrongIsRejectedByType() throws {
        var forecaster = try Quarter.learned(series.values)
        let newest = series.values.count - 1
        let before = forecaster.encoded()
        let cases: [(Double, Int, SampleRejection)] = [
            (.nan, newest + 1, .notFinite), (.infinity, newest + 1, .notFinite), (-1, newest + 1, .negative(-1)),
            (2e9, newest + 1, .tooLarge(2e9)), (5, newest, .late(tick: newest, newest: newest)),
            (5, newest - 40, .late(tick: newest - 40, newest: newest)), (5, -3, .beforeTime(tick: -3)),
            (5, newest + 90 * Quarter.day, .future(tick: newest + 90 * Quarter.day, newest: newest)),
        ]
        for (value, tick, rejection) in cases {
            #expect(throws: rejection) { try forecaster.observe(value, at: tick) }
            #expect(forecaster.encoded() == before)
        }
    }

    @Test func absurdJumpsAreBelievedTheThirdTime() throws {
        var forecaster = try Quarter.learned(series.values)
        let next = series.values.count
        #expect(throws: SampleRejection.absurdJump(9e8)) { try forecaster.observe(9e8, at: next) }
        #expect(throws: SampleRejection.absurdJump(9e8)) { try forecaster.observe(9e8, at: next + 1) }
        try forecaster.observe(9e8, at: next + 2)
        #expect(forecaster.samples == next + 1)
    }

    /// Whatever is rejected leaves exactly the forecast that its absence leaves.
    @Test func badSamplesBetweenGoodOnesChangeNothing() throws {
        try property("never poisoned", iterations: 6) { generator in
            var clean = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
            var dirty = clean
            for (tick, value) in series.values.enumerated() {
                guard let value else { continue }
                if generator.chance(0.1) {
                    let bad = [Double.nan, -.infinity, -5, 1e300, 5e8].randomElement(using: &generator) ?? .nan
                    let at = generator.chance(0.5) ? tick : tick - generator.integer(in: 1...50)
                    try? dirty.observe(bad, at: dirty.samples == 0 ? -1 : at)
                    continue
                }
                try clean.observe(value, at: tick)
                try dirty.observe(value, at: tick)
                if generator.chance(0.1) { try? dirty.observe(value + 1, at: tick) }
            }
            for (a, b) in zip(clean.quantiles(upTo: 96), dirty.quantiles(upTo: 96)) { try hold(a == b, "\(a), \(b)") }
        }
    }

    /// Spikes that pass as possible: a day later the forecast is within a quarter of what it would have been.
    @Test func spikesAreForgottenWithinADay() throws {
        var values = series.values
        let cut = values.count - Quarter.day
        for place in [cut - 60, cut - 31, cut - 7] { values[place] = 50_000 }
        let (clean, dirty) = (try Quarter.learned(series.values), try Quarter.learned(values))
        for (a, b) in zip(clean.quantiles(upTo: 8), dirty.quantiles(upTo: 8)) {
            #expect(abs(a[3] - b[3]) < 0.25 * a[3])
        }
    }

    @Test func anOutageIsNoScaleIn() throws {
        let cut = 8 * Quarter.day + 30
        var forecaster = try Quarter.learned(series.values[..<cut])
        let before = forecaster.quantiles(upTo: 40)
        for gap in 1...8 {
            forecaster.skip(to: cut - 1 + gap)
            let after = forecaster.quantiles(upTo: 40 - gap)
            for (step, given) in after.enumerated() {
                // The same moment, foreseen from the same last sample: the same direction, and nothing narrower.
                #expect(abs(given[3] - before[step + gap][3]) < 1e-3 * given[3])
                #expect(given[5] >= 0.98 * before[step + gap][5])
            }
        }
        try forecaster.observe(#require(series.values[cut + 8]), at: cut + 8)
        let median = try #require(forecaster.quantiles(ahead: 1))[3]
        #expect(abs(Double(median) - series.expected[cut + 9]) < 0.2 * series.expected[cut + 9])
    }

    @Test func unknownIsNotZero() throws {
        let gaps = Quarter.series(days: 12) { ($0.noise, $0.gaps) = (0.05, 0.3) }
        let forecaster = try Quarter.learned(gaps.values)
        for given in forecaster.quantiles(upTo: Quarter.day) { #expect(given[0] > 60 && given[3] > 90) }
    }

    @Test func aGapLongerThanEverythingIsSurvived() throws {
        var forecaster = try Quarter.learned(series.values)
        let restart = series.values.count + 40 * Quarter.day
        for tick in 0..<200 { try forecaster.observe(50, at: restart + tick) }
        let median = try #require(forecaster.quantiles(ahead: 1))[3]
        #expect(abs(median - 50) < 5)
    }

    @Test func configurationsAreChecked() {
        #expect(throws: SeriesConfigurationError.samplesPerDay(7)) { try SeriesConfiguration(samplesPerDay: 7) }
        #expect(throws: SeriesConfigurationError.growthMax(0.5)) { try SeriesConfiguration(growthMax: 0.5) }
        #expect(throws: SeriesConfigurationError.valueMax(0)) { try SeriesConfiguration(valueMax: 0) }
    }
}

@Suite("Persisted state")
struct SeriesCodecTests {
    private let series = Quarter.series(days: 9) { ($0.daily, $0.noise, $0.gaps) = (0.5, 0.05, 0.1) }

    @Test func goesOnToTheBit() throws {
        var whole = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        var restored = whole
        for (tick, value) in series.values.enumerated() {
            guard let value else { continue }
            try whole.observe(value, at: tick, indicators: [value / 2])
            try restored.observe(value, at: tick, indicators: [value / 2])
            if tick % 100 == 7 {
                restored = try SeriesForecaster(encoded: restored.encoded(), plan: Quarter.plan, prior: Quarter.prior)
            }
        }
        #expect(whole.encoded() == restored.encoded())
        #expect(whole.quantiles(upTo: 96) == restored.quantiles(upTo: 96))
        #expect(whole.explanation == restored.explanation)
    }

    @Test func whatIsNotItsOwnIsRefused() throws {
        let forecaster = try Quarter.learned(series.values)
        let bytes = forecaster.encoded()
        func restore(_ bytes: [UInt8], _ plan: SeriesPlan = Quarter.plan, _ prior: FleetPrior = Quarter.prior) throws {
            _ = try SeriesForecaster(encoded: bytes, plan: plan, prior: prior)
        }
        #expect(throws: SeriesStateError.length(3)) { try restore(Array(bytes[..<3])) }
        #expect(throws: SeriesStateError.corrupt) { try restore(Array(bytes.dropLast())) }
        for place in stride(from: 0, to: bytes.count, by: 97) {
            var broken = bytes
            broken[place] ^= 0x10
            #expect(throws: SeriesStateError.corrupt) { try restore(broken) }
        }
        let other = SeriesPlan(try SeriesConfiguration(samplesPerDay: 48))
        #expect(throws: SeriesStateError.samplesPerDay(96)) { try restore(bytes, other, FleetPrior(plan: other)) }
        let fleet = FleetPrior(plan: Quarter.plan, fleet: [forecaster])
        #expect(throws: SeriesStateError.otherPrior) { try restore(bytes, Quarter.plan, fleet) }
    }
}
