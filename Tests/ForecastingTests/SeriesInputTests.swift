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

    /// Until then nothing has changed, and one ordinary sample begins the count anew.
    @Test func whatOnlyADefectExplainsIsBelievedAfterAnHour() throws {
        let learned = try Quarter.learned(series.values)
        let (next, span) = (series.values.count, Quarter.plan.doubtSpan)
        var forecaster = learned
        for step in 0..<span {
            #expect(throws: SampleRejection.absurdJump(9e8)) { try forecaster.observe(9e8, at: next + step) }
        }
        #expect(forecaster.quantiles(upTo: 96) == learned.quantiles(upTo: 96))
        var doubting = forecaster
        try doubting.observe(100, at: next + span)
        #expect(throws: SampleRejection.absurdJump(9e8)) { try doubting.observe(9e8, at: next + span + 1) }
        try forecaster.observe(9e8, at: next + span)
        #expect(forecaster.samples == next + 1)

        let ahead = next + 10 * Quarter.day
        var late = learned
        for step in 0..<span {
            #expect(throws: SampleRejection.future(tick: ahead + step, newest: next - 1)) {
                try late.observe(100, at: ahead + step)
            }
        }
        var returned = late
        try returned.observe(100, at: next)
        #expect(throws: SampleRejection.future(tick: ahead + 9, newest: next)) {
            try returned.observe(100, at: ahead + 9)
        }
        try late.observe(100, at: ahead + span)
        #expect(late.samples == next + 1)
        // An outage that was told of is no leap.
        var told = learned
        told.skip(to: ahead)
        try told.observe(100, at: ahead + 1)
        #expect(told.samples == next + 1)
    }

    /// One bad sample, made of what upstream gets wrong: `newest` is the tick of the last one, `next` that of the next.
    private static func bad(
        _ generator: inout SeededGenerator, newest: Int, next: Int
    ) -> (value: Double, tick: Int) {
        let plausible = 50 + 100 * generator.unit()
        return switch generator.integer(in: 0...6) {
        case 0: ([Double.nan, .infinity, -.infinity, -5, -1e300].randomElement(using: &generator) ?? .nan, next)
        case 1: (generator.logUniform(in: 2e9...1e300), next + generator.integer(in: 0...3))
        case 2: (generator.logUniform(in: 2.5e5...9e8), next + generator.integer(in: 0...3))
        case 3: (plausible, next + generator.integer(in: Quarter.plan.doubtSpan + 1...200 * Quarter.day))
        case 4: (plausible, newest - generator.integer(in: 0...60 * Quarter.day))
        case 5: (plausible, newest)
        default: (plausible, -1 - generator.integer(in: 0...1_000_000))
        }
    }

    /// Up to an hour's worth of bad samples before every good one, of every kind: the forecast is to the bit that without
    /// them. As a third of the good ones are missing too, gaps and doubts meet.
    @Test func anyStreamOfBadSamplesLeavesTheForecastAsItWas() throws {
        try property("never poisoned", iterations: 8) { generator in
            var clean = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
            var fineClean = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 4)
            var (dirty, fineDirty) = (clean, fineClean)
            var newest = 0
            for (tick, value) in series.values.enumerated() {
                guard let value, tick == 0 || !generator.chance(0.3) else { continue }
                defer { newest = tick }
                if tick > 0, generator.chance(0.5) {
                    for _ in 0..<generator.integer(in: 1...Quarter.plan.doubtSpan) {
                        let bad = Self.bad(&generator, newest: newest, next: tick)
                        #expect(throws: SampleRejection.self) { try dirty.observe(bad.value, at: bad.tick) }
                    }
                    for _ in 0..<generator.integer(in: 1...Quarter.plan.doubtSpan) {
                        let bad = Self.bad(&generator, newest: 4 * newest, next: 4 * tick)
                        guard bad.tick <= 4 * newest || bad.value > 1e5 || bad.tick > 4 * (tick + 8) else { continue }
                        #expect(throws: SampleRejection.self) { try fineDirty.observe(bad.value, at: bad.tick) }
                    }
                }
                try clean.observe(value, at: tick)
                try dirty.observe(value, at: tick)
                try fineClean.observe(value, at: 4 * tick)
                try fineDirty.observe(value, at: 4 * tick)
            }
            for (a, b) in zip(clean.quantiles(upTo: 96), dirty.quantiles(upTo: 96)) { try hold(a == b, "\(a), \(b)") }
            let fine = (fineClean.coarse.quantiles(upTo: 96), fineDirty.coarse.quantiles(upTo: 96))
            try hold(fine.0 == fine.1, "fine")
            for ticks in [1, 12, 30] {
                let peaks = (fineClean.peak(within: ticks), fineDirty.peak(within: ticks))
                try hold(peaks.0 == peaks.1, "\(peaks)")
            }
        }
    }

    /// What no rule can tell from life (up to 900 times the level, or up to an hour ahead of its time), one in fifty
    /// samples and none within the last two hours: the median of every moment of the next day is within three quarters of
    /// what it would have been, and the 80 % interval at most five times as wide.
    @Test func plausibleBadSamplesMoveTheForecastLittle() throws {
        try property("stated distance", iterations: 8) { generator in
            let clean = try Quarter.learned(series.values)
            var dirty = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
            for (tick, value) in series.values.enumerated() {
                guard let value else { continue }
                if tick > 2 * Quarter.day, tick < series.values.count - 8, generator.chance(0.02) {
                    let isEarly = generator.chance(0.5)
                    let bad = isEarly ? value : value * generator.logUniform(in: 2...900)
                    try? dirty.observe(bad, at: isEarly ? tick + generator.integer(in: 1...4) : tick)
                } else {
                    try? dirty.observe(value, at: tick)
                }
            }
            for (a, b) in zip(clean.quantiles(upTo: 96), dirty.quantiles(upTo: 96)) {
                try hold(abs(a[3] - b[3]) <= 0.75 * a[3], "median \(a[3]) became \(b[3])")
                try hold(b[4] - b[2] <= 5 * (a[4] - a[2]), "width \(a[4] - a[2]) became \(b[4] - b[2])")
            }
        }
    }

    /// Three hours of a counter that went wrong, by a factor that is just believable and by one that is believed after an
    /// hour: a day later medians are within a quarter of what they would have been, and intervals no more than twice as wide.
    @Test(arguments: [20.0, 900, 1e6]) func anExcursionIsForgottenAfterADay(factor: Double) throws {
        let long = Quarter.series(days: 12) { ($0.daily, $0.noise) = (0.5, 0.05) }
        let start = 9 * Quarter.day
        var values = Array(long.values[..<(start + 12 + Quarter.day)])
        let clean = try Quarter.learned(values)
        for place in start..<start + 12 { values[place] = values[place].map { factor * $0 } }
        var dirty = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        for (tick, value) in values.enumerated() { try? dirty.observe(#require(value), at: tick) }
        for (a, b) in zip(clean.quantiles(upTo: 96), dirty.quantiles(upTo: 96)) {
            #expect(abs(a[3] - b[3]) <= 0.25 * a[3], "median \(a[3]) became \(b[3])")
            #expect(b[4] - b[2] <= 2 * (a[4] - a[2]))
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
        forecaster.skip(to: restart - 1)
        for tick in 0..<200 { try forecaster.observe(50, at: restart + tick) }
        let median = try #require(forecaster.quantiles(ahead: 1))[3]
        #expect(abs(median - 50) < 5)
    }

    /// An indicator that went wrong is unknown: it leaves no trace.
    @Test(arguments: [Double.nan, .infinity, -1, 1e30, 1e300]) func absurdIndicatorsAreUnknown(value: Double) throws {
        var fine = FineSeries(plan: Quarter.plan, prior: Quarter.prior, ratio: 4)
        var clean = fine
        for tick in 0..<2000 {
            let vms = Double(20 + tick / 4 % 11)
            let isBad = tick / 4 % 7 == 3
            try fine.observe(vms, at: tick, indicators: isBad ? [5, value] : [5, vms])
            try clean.observe(vms, at: tick, indicators: isBad ? [] : [5, vms])
        }
        #expect(fine.encoded() == clean.encoded())
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
