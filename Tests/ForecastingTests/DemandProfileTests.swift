import Forecasting
import SimulationKit
import Testing

/// A day of a minute, as the demo compresses it.
enum Compressed {
    static let configuration = ProfileConfiguration(
        sampleInterval: .milliseconds(200), horizons: horizons,
        shortLeads: [.milliseconds(400), .milliseconds(1200)], dayLength: .seconds(60))
    static let horizons: [Duration] = [
        .milliseconds(208), .milliseconds(625), .milliseconds(2500), .seconds(15), .seconds(60),
    ]

    static func samples(_ shape: TraceShape, seed: UInt64, days: Double) -> [TraceSample] {
        SyntheticTrace(seed: seed, shapes: [shape], days: days, dayLength: .seconds(60))
            .samples(application: 0, every: .milliseconds(200))
    }

    static func profile(_ samples: some Sequence<TraceSample>) -> DemandProfile {
        var profile = DemandProfile(configuration: configuration)
        for sample in samples { profile.observe(DemandSample(sample), at: sample.time) }
        return profile
    }
}

extension DemandSample {
    init(_ sample: TraceSample) {
        self.init(
            concurrent: sample.concurrent, peak: sample.peak, launches: sample.launches, stops: sample.stops)
    }
}

@Suite("Demand profile")
struct DemandProfileTests {
    private static func flat(_ level: Int, count: Int, from start: Int = 0) -> [(DemandSample, Duration)] {
        (start..<start + count).map {
            (DemandSample(concurrent: level, peak: level, launches: 0, stops: 0), .milliseconds(200 * $0))
        }
    }

    @Test func knowsNothingBeforeTheFirstSample() {
        let profile = DemandProfile(configuration: Compressed.configuration)
        #expect(profile.state == .cold)
        #expect(profile.current == nil)
        #expect(profile.peakQuantile(0.95, lead: .seconds(1)) == nil)
        #expect(profile.exceedance(of: 3, within: .seconds(1)) == nil)
        #expect(profile.forecast(horizon: .seconds(1)).peak.isEmpty)
    }

    @Test func passesFromColdThroughLearningToReady() {
        var profile = DemandProfile(configuration: Compressed.configuration)
        var seen: [ProfileState] = []
        for (sample, time) in Self.flat(5, count: 700) {
            profile.observe(sample, at: time)
            if seen.last != profile.state { seen.append(profile.state) }
        }
        #expect(seen == [.cold, .learning, .ready])
        #expect(profile.samples == 700)
    }

    @Test func aFlatSeriesStaysWhereItIs() throws {
        var profile = DemandProfile(configuration: Compressed.configuration)
        for (sample, time) in Self.flat(7, count: 1000) { profile.observe(sample, at: time) }
        for horizon in profile.profile().horizons {
            #expect(horizon.concurrent.map(\.value) == Array(repeating: 7, count: 8))
            #expect(horizon.peak.map(\.value) == Array(repeating: 7, count: 8))
            #expect(horizon.launches.map(\.value) == Array(repeating: 0, count: 8))
        }
        #expect(profile.exceedance(of: 6, within: .seconds(60)) == 1)
        #expect(profile.exceedance(of: 7, within: .seconds(60)) == 0)
    }

    @Test func sameSamplesSameProfile() {
        let samples = Compressed.samples(TraceShape(mean: 20, bursts: 4, burstSize: 8), seed: 11, days: 3)
        #expect(Compressed.profile(samples).profile() == Compressed.profile(samples).profile())
    }

    @Test func theFutureDoesNotReachThePast() {
        let samples = Compressed.samples(TraceShape(mean: 20), seed: 12, days: 3)
        let cut = 500
        var other = Array(samples)
        for index in cut..<other.count { other[index].concurrent = 999 }
        #expect(Compressed.profile(samples[..<cut]).profile() == Compressed.profile(other[..<cut]).profile())
        #expect(Compressed.profile(samples).profile() != Compressed.profile(other).profile())
    }

    @Test func quantilesNeverCross() throws {
        try property("ordered quantiles", iterations: 12) { generator in
            let shape = TraceShape(
                mean: 1 + 60 * generator.unit(), amplitude: generator.unit(), phase: generator.unit(),
                bursts: 10 * generator.unit(), burstSize: 20 * generator.unit())
            let days = 0.3 + 4 * generator.unit()
            let samples = Compressed.samples(shape, seed: generator.next(), days: days)
            let profile = Compressed.profile(samples)
            let current = Double(try #require(profile.current))
            var lastPeak = Array(repeating: 0.0, count: 8)
            var lastLaunches = lastPeak
            for forecast in profile.profile().horizons where !forecast.peak.isEmpty {
                for list in [forecast.concurrent, forecast.peak, forecast.launches] {
                    try hold(list.map(\.level) == Quantile.levels, "levels")
                    try hold(zip(list, list.dropFirst()).allSatisfy { $0.value <= $1.value }, "crossing: \(list)")
                    try hold(list.allSatisfy { $0.value >= 0 && $0.value.isFinite }, "negative: \(list)")
                }
                try hold(forecast.peak.allSatisfy { $0.value >= current }, "a peak below the present")
                try hold(zip(forecast.peak, lastPeak).allSatisfy { $0.value >= $1 - 1e-9 }, "peak falls with lead")
                try hold(
                    zip(forecast.launches, lastLaunches).allSatisfy { $0.value >= $1 - 1e-9 }, "launches fall with lead"
                )
                lastPeak = forecast.peak.map(\.value)
                lastLaunches = forecast.launches.map(\.value)
            }
        }
    }

    @Test func confidenceIsTheInverseOfTheQuantile() throws {
        try property("threshold and quantile say the same", iterations: 6) { generator in
            let shape = TraceShape(mean: 5 + 40 * generator.unit(), bursts: 4, burstSize: 6)
            let samples = Compressed.samples(shape, seed: generator.next(), days: 2.5)
            let profile = Compressed.profile(samples)
            for lead in [Duration.milliseconds(200), .milliseconds(900), .seconds(5), .seconds(60)] {
                var last = 1.0
                for held in stride(from: 0, through: Int(4 * shape.mean), by: 7) {
                    let chance = try #require(profile.exceedance(of: held, within: lead))
                    try hold(chance <= last && chance >= 0, "exceedance of \(held) rises")
                    last = chance
                    for level in [0.8, 0.95, 0.99] where abs(chance - (1 - level)) > 1e-4 {
                        let quantile = try #require(profile.peakQuantile(level, lead: lead))
                        let asks = max(quantile, Double(profile.current ?? 0)) > Double(held) + 0.5
                        try hold(asks == (chance > 1 - level), "\(level) of \(held): \(quantile), \(chance)")
                    }
                }
            }
        }
    }

    @Test func samplesOfOneIntervalAreMerged() {
        var whole = DemandProfile(configuration: Compressed.configuration)
        var split = whole
        for (index, sample) in Compressed.samples(TraceShape(mean: 20), seed: 13, days: 2).enumerated() {
            whole.observe(DemandSample(sample), at: sample.time)
            let part = DemandSample(
                concurrent: sample.concurrent, peak: sample.peak, launches: sample.launches, stops: sample.stops)
            split.observe(part, at: sample.time)
            if index % 7 == 0 {
                let nothing = DemandSample(
                    concurrent: sample.concurrent, peak: sample.concurrent, launches: 0, stops: 0)
                split.observe(nothing, at: sample.time + .milliseconds(60))
                split.observe(nothing, at: sample.time - .seconds(3))
            }
        }
        #expect(whole.profile().horizons == split.profile().horizons)
    }
}

@Suite("Gaps")
struct GapTests {
    private let samples = Compressed.samples(TraceShape(mean: 30, amplitude: 0.5, phase: 0), seed: 21, days: 3)

    @Test func anOutageIsNoScaleIn() throws {
        var profile = Compressed.profile(samples)
        let before = try #require(profile.peakQuantile(0.95, lead: .seconds(1)))
        let current = profile.current
        for step in 1...40 {
            profile.gap(at: try #require(samples.last).time + .milliseconds(200 * step))
            #expect(profile.current == current)
            let after = try #require(profile.peakQuantile(0.95, lead: .seconds(1)))
            #expect(after >= before - 1e-9)
        }
        let chance = try #require(profile.exceedance(of: Int(before) + 1, within: .seconds(1)))
        #expect(chance > 0.05)
    }

    /// The same series with a third of it unknown must not look like a series that fell to nothing in between.
    @Test func learnsTheSameShapeThroughGaps() throws {
        let samples = Compressed.samples(TraceShape(mean: 40, amplitude: 0), seed: 22, days: 3)
        var holed = DemandProfile(configuration: Compressed.configuration)
        var zeroed = holed
        for (index, sample) in samples.enumerated() {
            if index < 810, index % 90 >= 60 {
                holed.gap(at: sample.time)
                zeroed.observe(DemandSample(concurrent: 0, peak: 0, launches: 0, stops: 0), at: sample.time)
            } else {
                holed.observe(DemandSample(sample), at: sample.time)
                zeroed.observe(DemandSample(sample), at: sample.time)
            }
        }
        let whole = try low(Compressed.profile(samples))
        #expect(abs(try low(holed) - whole) < 6)
        #expect(try low(zeroed) < whole - 10)
    }

    private func low(_ profile: DemandProfile) throws -> Double {
        let forecast = profile.forecast(horizon: .milliseconds(2500))
        return try #require(forecast.concurrent.first).value
    }

    @Test func aGapLongerThanEveryLeadIsSurvived() throws {
        var profile = Compressed.profile(samples)
        let end = try #require(samples.last).time
        for sample in samples.prefix(400) {
            profile.observe(DemandSample(sample), at: sample.time + end + .seconds(6000))
        }
        #expect(profile.state == .ready)
        #expect(profile.current == samples[399].concurrent)
        #expect(profile.peakQuantile(0.95, lead: .seconds(60)) != nil)
    }
}
