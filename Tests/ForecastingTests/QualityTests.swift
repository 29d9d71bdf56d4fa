import Forecasting
import SimulationKit
import Testing

/// Statistical checks over fixed seeds: deterministic, with bounds that leave room for sampling error.
@Suite("Forecast quality")
struct QualityTests {
    private struct Tally {
        var forecasts = 0.0
        var inside80 = 0.0
        var peakUnder95 = 0.0
        var exceeded = 0.0
        var exceedanceSaid = 0.0
        var loss = 0.0
    }

    /// Forecasts every tenth of a day after two days, judged by what then happened; one tally per horizon.
    private func judge(_ shape: TraceShape, seeds: Range<UInt64>, days: Double = 6) -> [Tally] {
        var tallies = Compressed.horizons.map { _ in Tally() }
        for seed in seeds {
            let samples = Compressed.samples(shape, seed: seed, days: days)
            var profile = DemandProfile(configuration: Compressed.configuration)
            for (index, sample) in samples.enumerated() {
                profile.observe(DemandSample(sample), at: sample.time)
                guard index > 600, index % 31 == 0 else { continue }
                for (slot, horizon) in Compressed.horizons.enumerated() {
                    let end = index + max(1, Int((horizon / .milliseconds(200)).rounded()))
                    let forecast = profile.forecast(horizon: horizon)
                    guard end < samples.count, forecast.concurrent.count == 8 else { continue }
                    let actual = Double(samples[end].concurrent)
                    let window = samples[(index + 1)...end].map(\.peak)
                    let peak = window.reduce(sample.concurrent, max)
                    tallies[slot].forecasts += 1
                    let (low, high) = (forecast.concurrent[2].value, forecast.concurrent[4].value)
                    tallies[slot].inside80 += actual >= low && actual <= high ? 1 : 0
                    tallies[slot].peakUnder95 += Double(peak) <= forecast.peak[5].value ? 1 : 0
                    let held = sample.concurrent + max(1, Int(shape.mean / 8))
                    tallies[slot].exceeded += peak > held ? 1 : 0
                    tallies[slot].exceedanceSaid += profile.exceedance(of: held, within: horizon) ?? 0
                }
            }
        }
        return tallies
    }

    /// A stationary series has nominal coverage in the limit; ties of integers push it up. Of 110 forecasts or so, those
    /// of the longest horizon judged overlap by a factor of three: one standard error is sqrt(.8 * .2 / 40) = .063.
    @Test func stationaryIntervalsCoverWhatTheySay() {
        let tallies = judge(TraceShape(mean: 30, amplitude: 0), seeds: 31..<34)
        for tally in tallies.dropLast() {
            #expect(tally.forecasts > 90)
            let coverage = tally.inside80 / tally.forecasts
            #expect(coverage >= 0.7 && coverage <= 0.9, "coverage80 \(coverage)")
            let under = tally.peakUnder95 / tally.forecasts
            #expect(under >= 0.91, "peak .95 held \(under)")
        }
    }

    @Test(arguments: [
        TraceShape(mean: 40, amplitude: 0.7), TraceShape(mean: 40, amplitude: 0.9, sharpness: 4),
        TraceShape(mean: 12, amplitude: 0.3, bursts: 8, burstSize: 12),
    ])
    func peaksOfMovingSeriesStayUnderTheirQuantile(shape: TraceShape) {
        for tally in judge(shape, seeds: 41..<43).dropLast() {
            let under = tally.peakUnder95 / tally.forecasts
            #expect(under >= 0.9, "peak .95 held \(under)")
            let gap = (tally.exceedanceSaid - tally.exceeded) / tally.forecasts
            #expect(abs(gap) < 0.15, "said \(tally.exceedanceSaid), happened \(tally.exceeded) of \(tally.forecasts)")
        }
    }

    /// The profile's own books say what an outside judge finds.
    @Test func measuresItsOwnCoverage() throws {
        let samples = Compressed.samples(TraceShape(mean: 30, amplitude: 0.4), seed: 51, days: 6)
        for forecast in Compressed.profile(samples).profile().horizons.dropLast() {
            let coverage = try #require(forecast.coverage80)
            #expect(coverage >= 0.65 && coverage <= 0.95)
            #expect(try #require(forecast.loss) > 0)
        }
    }

    /// Own loss by the baseline's, by horizon: the geometric mean over two seeds.
    private func lossRatios(_ shape: TraceShape, seeds: (UInt64, UInt64)) throws -> [Double] {
        let pair = try [seeds.0, seeds.1].map { seed in
            try Compressed.profile(Compressed.samples(shape, seed: seed, days: 6)).profile().horizons.map { forecast in
                try #require(forecast.loss) / #require(forecast.baselineLoss)
            }
        }
        return zip(pair[0], pair[1]).map { ($0 * $1).squareRoot() }
    }

    @Test func theDailyShapeBeatsPlainIncrements() throws {
        let ratios = try lossRatios(TraceShape(mean: 40, amplitude: 0.7), seeds: (61, 62))
        #expect(ratios[2] < 0.9)
        #expect(ratios[3] < 0.6)
    }

    @Test(arguments: [
        TraceShape(mean: 30, amplitude: 0), TraceShape(mean: 2, amplitude: 0.5),
        TraceShape(mean: 12, amplitude: 0.3, bursts: 8, burstSize: 12), TraceShape(mean: 30, growth: 0.15),
    ])
    func neverMuchWorseThanPlainIncrements(shape: TraceShape) throws {
        let ratios = try lossRatios(shape, seeds: (71, 72))
        #expect(ratios.allSatisfy { $0 < 1.06 }, "\(ratios)")
    }

    /// Once the season turns upside down, what was learned misleads until its losses have been counted.
    @Test func aSeasonThatTurnsIsDegradedUntilItIsRelearned() {
        func level(_ index: Int) -> Int {
            let isHigh = index % 300 < 150
            return (isHigh != (index >= 2400) ? 60 : 10) + index % 3
        }
        var profile = DemandProfile(configuration: Compressed.configuration)
        var states: [ProfileState] = []
        for index in 0..<7200 {
            let sample = DemandSample(concurrent: level(index), peak: level(index), launches: 1, stops: 1)
            profile.observe(sample, at: .milliseconds(200 * index))
            if states.last != profile.state { states.append(profile.state) }
        }
        #expect(states.contains(.degraded))
        #expect(states.last == .ready)
    }
}
