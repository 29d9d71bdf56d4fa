import SimulationKit
import Testing

@testable import Forecasting

@Suite("Application forecaster")
struct ApplicationForecasterTests {
    private static func shape() throws -> ForecastShape { try ForecastShape(Compressed.configuration) }

    private static func samples(_ seed: UInt64, days: Double = 4) -> [TraceSample] {
        Compressed.samples(TraceShape(mean: 40, amplitude: 0.7), seed: seed, days: days)
    }

    private static func feed(_ forecaster: inout ApplicationForecaster, _ sample: TraceSample, at tick: Int) {
        guard tick % 37 != 5 else { return forecaster.gap(at: tick) }
        let indicators = tick % 11 == 3 ? [] : [Double(sample.launches), Double(tick % 50), 0]
        forecaster.observe(DemandSample(sample), at: tick, indicators: indicators)
    }

    @Test func aDayIsTheSeasonOfBothModels() throws {
        let shape = try Self.shape()
        #expect(shape.ratio == 2 && shape.plan.configuration.samplesPerDay == 150)
        let real = try ForecastShape(ProfileConfiguration())
        #expect(real.ratio == 30 && real.plan.configuration.samplesPerDay == 288)
        #expect(real.coarseInterval == .seconds(300))
    }

    /// Wherever the process dies, what is restored goes on to the bit.
    @Test(arguments: [1, 2, 150, 301, 640, 1103]) func restoredStateForecastsTheSame(end: Int) throws {
        let shape = try Self.shape()
        var whole = ApplicationForecaster(shape: shape)
        for (tick, sample) in Self.samples(7).prefix(end).enumerated() { Self.feed(&whole, sample, at: tick) }
        var restored = try ApplicationForecaster(encoded: whole.encoded(), shape: shape)
        #expect(restored.profile() == whole.profile())
        for (tick, sample) in Self.samples(7).enumerated().dropFirst(end) {
            Self.feed(&whole, sample, at: tick)
            Self.feed(&restored, sample, at: tick)
        }
        #expect(restored.encoded() == whole.encoded())
        #expect(restored.profile() == whole.profile() && restored.explanation == whole.explanation)
    }

    @Test func damagedStateIsRefused() throws {
        let shape = try Self.shape()
        var forecaster = ApplicationForecaster(shape: shape)
        for (tick, sample) in Self.samples(3).prefix(700).enumerated() { Self.feed(&forecaster, sample, at: tick) }
        let bytes = forecaster.encoded()
        for place in stride(from: 0, to: bytes.count, by: 97) {
            var damaged = bytes
            damaged[place] ^= 1 << UInt8(place % 8)
            #expect(throws: SeriesStateError.self) { try ApplicationForecaster(encoded: damaged, shape: shape) }
        }
        for count in [0, 7, 15, 16, 40, bytes.count - 1] {
            #expect(throws: SeriesStateError.self) {
                try ApplicationForecaster(encoded: Array(bytes.prefix(count)), shape: shape)
            }
        }
        let other = try ForecastShape(ProfileConfiguration())
        #expect(throws: SeriesStateError.self) { try ApplicationForecaster(encoded: bytes, shape: other) }
    }

    /// A peak is at least what is there at its end, probability and quantile decide alike, and quantiles never cross.
    @Test func quantilesAndProbabilitiesAgree() throws {
        var forecaster = ApplicationForecaster(shape: try Self.shape())
        var checked = 0
        for (tick, sample) in Self.samples(11).enumerated() {
            Self.feed(&forecaster, sample, at: tick)
            guard tick % 53 == 0, tick > 400 else { continue }
            for horizon in Compressed.horizons {
                let forecast = forecaster.forecast(horizon: horizon)
                guard forecast.peak.count == 8 else { continue }
                checked += 1
                for list in [forecast.concurrent, forecast.peak] {
                    #expect(zip(list, list.dropFirst()).allSatisfy { $0.value <= $1.value })
                }
                if horizon >= .milliseconds(600) {
                    #expect(zip(forecast.peak, forecast.concurrent).allSatisfy { $0.value >= $1.value })
                }
                for held in stride(from: 0, to: 120, by: 7) {
                    let more = try #require(forecaster.exceedance(of: held, within: horizon))
                    for level in [0.05, 0.5, 0.9, 0.99] where abs(1 - level - more) > 1e-3 {
                        let peak = try #require(forecaster.peakQuantile(level, lead: horizon))
                        #expect((peak > Double(held) + 0.5) == (more > 1 - level), "\(held) \(level) \(peak) \(more)")
                    }
                }
            }
        }
        #expect(checked > 50)
    }

    /// Whoever counts the intervals knows the time: after an outage of hours the next sample is learnt. What is absurd or late
    /// is learnt by no model.
    @Test func onlyWhatIsAbsurdOrLateIsNotLearnt() throws {
        var forecaster = ApplicationForecaster(shape: try Self.shape())
        let samples = Self.samples(9)
        for (tick, sample) in samples.enumerated() { Self.feed(&forecaster, sample, at: tick) }
        let restart = samples.count + 3000
        let usual = DemandSample(concurrent: 40, peak: 41, launches: 1, stops: 1)
        forecaster.observe(usual, at: restart)
        #expect(forecaster.rejections == 0 && forecaster.demand.current == 40)
        let learnt = (forecaster.demand.samples, forecaster.profile())
        for (sample, tick) in [
            (DemandSample(concurrent: 9_000_000, peak: 1, launches: 0, stops: 0), restart + 1),
            (DemandSample(concurrent: 40, peak: 9_000_000, launches: 0, stops: 0), restart + 1),
            (DemandSample(concurrent: 40, peak: 40, launches: 9_000_000, stops: 0), restart + 1),
            (DemandSample(concurrent: 90, peak: 90, launches: 50, stops: 0), restart),
            (DemandSample(concurrent: 90, peak: 90, launches: 50, stops: 0), restart - 7),
        ] { forecaster.observe(sample, at: tick) }
        #expect(forecaster.rejections == 5)
        #expect(forecaster.demand.samples == learnt.0 && forecaster.profile() == learnt.1)
        forecaster.observe(usual, at: restart + 1)
        #expect(forecaster.rejections == 5 && forecaster.demand.samples == learnt.0 + 1)
    }

    /// Every day is another one: who has learnt a season is worse off than who looks at the last value.
    @Test func whereTheBaselineIsBetterItIsGiven() throws {
        var forecaster = ApplicationForecaster(shape: try Self.shape())
        var randomness = SeededGenerator(seed: 5)
        var degraded = 0
        var level = 40.0
        for tick in 0..<(300 * 12) {
            if tick % 300 == 0 || tick % 300 == 150 { level = Double(Int.random(in: 5...100, using: &randomness)) }
            let season = tick < 300 * 5 ? (tick % 300 < 150 ? 80.0 : 20.0) : level
            let count = Int(season)
            forecaster.observe(DemandSample(concurrent: count, peak: count, launches: 0, stops: 0), at: tick)
            guard tick % 10 == 9, forecaster.vms.coarse.state != .cold else { continue }
            let given = forecaster.forecast(horizon: .seconds(15)).concurrent.map(\.value)
            let ticks = Int((Duration.seconds(15) / forecaster.shape.coarseInterval).rounded())
            let isDegraded = forecaster.vms.coarse.isDegraded
            let expected = try #require(
                isDegraded
                    ? forecaster.vms.coarse.baselineQuantiles(ahead: ticks)
                    : forecaster.vms.coarse.quantiles(ahead: ticks))
            #expect(given == (0..<8).map { Double(expected[$0]) })
            #expect((forecaster.state == .degraded) == (isDegraded || forecaster.demand.state == .degraded))
            degraded += isDegraded ? 1 : 0
        }
        #expect(degraded > 0)
    }
}
