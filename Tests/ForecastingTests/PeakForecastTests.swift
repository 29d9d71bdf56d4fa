import Testing

@testable import Forecasting

@Suite struct PeakForecastTests {
    /// A day of two minutes, a sample per second.
    static let shape: ForecastShape = {
        let profile = ProfileConfiguration(
            sampleInterval: .seconds(1), horizons: [.seconds(30), .seconds(120)],
            shortLeads: [.seconds(1), .seconds(4), .seconds(8)], dayLength: .seconds(120))
        guard let shape = try? ForecastShape(profile) else { preconditionFailure("a shape that there is") }
        return shape
    }()

    /// Rises and falls, at some level.
    static func forecaster(level: Int, samples: Int = 800) -> ApplicationForecaster {
        var forecaster = ApplicationForecaster(shape: shape)
        for tick in 0..<samples {
            let vms = level + (tick * 7 + level) % 13 + (tick / 60 % 2) * 5
            forecaster.observe(
                DemandSample(concurrent: vms, peak: vms, launches: tick % 3, stops: tick % 3), at: tick)
        }
        return forecaster
    }

    @Test func saysWhatTheForecasterSays() throws {
        let forecaster = Self.forecaster(level: 20)
        let told = try #require(
            PeakForecast(
                state: forecaster.state, leads: Self.shape.peakLeads, levels: PeakForecast.levels,
                peaks: forecaster.peaks))
        #expect(told.leads == Self.shape.peakLeads && told.state == forecaster.state)
        for lead in told.leads {
            for level in PeakForecast.levels {
                let here = try #require(forecaster.peakQuantile(level, lead: lead))
                let there = try #require(told.peakQuantile(level, lead: lead))
                #expect(abs(here - there) < 1e-9)
            }
            // As a threshold of 1 - q and the quantile q decide alike, up to the levels that travel.
            for held in 15...45 {
                let here = try #require(forecaster.exceedance(of: held, within: lead))
                let there = try #require(told.exceedance(of: held, within: lead))
                for level in PeakForecast.levels where abs(here - (1 - level)) > 1e-3 {
                    #expect((here > 1 - level) == (there > 1 - level), "\(held) within \(lead): \(here), \(there)")
                }
            }
        }
        // A shorter lead has no lower peak than it has, a longer one is not known.
        #expect(told.peakQuantile(0.5, lead: .milliseconds(1)) == told.peakQuantile(0.5, lead: .seconds(1)))
        #expect(told.peakQuantile(0.5, lead: .seconds(1000)) == nil)
        let between = try #require(told.peakQuantile(0.9, lead: .seconds(20)))
        let ends = try [told.leads[2], told.leads[3]].map { try #require(told.peakQuantile(0.9, lead: $0)) }
        #expect(ends[0] <= between && between <= ends[1])
    }

    @Test func whoKnowsNothingSaysNothing() throws {
        let none = ApplicationForecaster(shape: Self.shape)
        #expect(none.peaks.isEmpty)
        let told = try #require(
            PeakForecast(state: none.state, leads: Self.shape.peakLeads, levels: PeakForecast.levels, peaks: []))
        #expect(told.peakQuantile(0.5, lead: .seconds(1)) == nil && told.exceedance(of: 3, within: .seconds(1)) == nil)
        // The longest leads are known last.
        let young = Self.forecaster(level: 5, samples: 40)
        #expect(!young.peaks.isEmpty && young.peaks.count < Self.shape.peakLeads.count * PeakForecast.levels.count)
    }

    @Test(
        arguments: [
            ([3, 2], [0.1, 0.9], [1]), ([1, .nan], [0.1, 0.9], [1]), ([-1, 2], [0.1, 0.9], [1]),
            ([1, .infinity], [0.1, 0.9], [1]), ([1, 2, 3], [0.1, 0.9], [1, 2]), ([1, 2, 3, 4], [0.1, 0.9], [1]),
            ([1, 2], [0.9, 0.1], [1]), ([1, 2], [0, 0.9], [1]), ([1, 2, 3, 4], [0.1, 0.9], [2, 1]), ([], [], [1]),
            ([1, 2], [0.1, 0.9], [0]),
        ] as [([Double], [Double], [Int])])
    func refusesWhatCanBeNoForecast(peaks: [Double], levels: [Double], leads: [Int]) {
        #expect(
            PeakForecast(state: .ready, leads: leads.map { .seconds($0) }, levels: levels, peaks: peaks) == nil)
    }
}

/// What a fleet teaches is kept to the bit, and used by who comes after.
@Suite struct TaughtPriorTests {
    private static let fleet = (1...12).map { PeakForecastTests.forecaster(level: $0 * $0) }

    @Test func travelsAsBytes() throws {
        let shape = try #require(ForecastShape(PeakForecastTests.shape, fleet: Self.fleet))
        #expect(shape.prior.fingerprint != PeakForecastTests.shape.prior.fingerprint)
        let bytes = shape.prior.encoded()
        let again = try FleetPrior(encoded: bytes, plan: shape.plan)
        #expect(again.fingerprint == shape.prior.fingerprint)
        #expect(throws: SeriesStateError.corrupt) {
            var damaged = bytes
            damaged[100] ^= 4
            _ = try FleetPrior(encoded: damaged, plan: shape.plan)
        }
        let other = SeriesPlan(try SeriesConfiguration(samplesPerDay: 288))
        #expect(throws: (any Error).self) {
            _ = try FleetPrior(encoded: bytes, plan: other)
        }
    }

    @Test func fewTeachNothing() {
        #expect(ForecastShape(PeakForecastTests.shape, fleet: Array(Self.fleet.prefix(5))) == nil)
        let young = (1...20).map { PeakForecastTests.forecaster(level: $0, samples: 10) }
        #expect(ForecastShape(PeakForecastTests.shape, fleet: young) == nil)
    }

    /// A newcomer knows from the others how far such applications move; who is grown has its own experience.
    @Test func helpsTheYoung() throws {
        let taught = try #require(ForecastShape(PeakForecastTests.shape, fleet: Self.fleet))
        func width(_ samples: Int, _ shape: ForecastShape) -> Double {
            var one = PeakForecastTests.forecaster(level: 30, samples: samples)
            one.adopt(shape)
            let quantiles = one.forecast(horizon: .seconds(30)).concurrent.map(\.value)
            return (quantiles.last ?? 0) - (quantiles.first ?? 0)
        }
        let (alone, helped) = (width(50, PeakForecastTests.shape), width(50, taught))
        #expect(alone > 0 && helped != alone)
        let grown = 20_000
        let (own, same) = (width(grown, PeakForecastTests.shape), width(grown, taught))
        #expect(abs(own - same) < 0.05 * own)
        // Its state tells which prior it has.
        var one = PeakForecastTests.forecaster(level: 3)
        one.adopt(taught)
        #expect(try ApplicationForecaster(encoded: one.encoded(), shape: taught).encoded() == one.encoded())
        #expect(throws: SeriesStateError.otherPrior) {
            _ = try ApplicationForecaster(encoded: one.encoded(), shape: PeakForecastTests.shape)
        }
    }
}
