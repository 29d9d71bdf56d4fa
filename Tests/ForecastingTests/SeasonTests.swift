import SimulationKit
import Testing

@testable import Forecasting

@Suite("Weeks and shifts")
struct SeasonTests {
    /// A shift that was noticed late: the half hours since its start are of the new level already.
    @Test func whatIsOfTheNewLevelIsNotScaled() {
        let plan = Quarter.plan
        var season = SeasonMemory(plan)
        let shift = 3 * Quarter.day
        for tick in 0...shift + 9 { season.addWeek(tick < shift ? 100 : 300, tick: tick, plan) }
        season.anchor(.scale(3), from: shift, at: shift + 9, plan)
        for tick in Quarter.day..<shift + 7 {
            #expect(abs((season.weekValue(at: tick, plan) ?? 0) - 300) < 1, "tick \(tick)")
        }
    }

    @Test func lastWeekIsReadAcrossShortGaps() {
        let plan = Quarter.plan
        var season = SeasonMemory(plan)
        for tick in 0..<2 * Quarter.day {
            let isGap = (100..<106).contains(tick) || (140..<154).contains(tick)
            season.addWeek(isGap ? nil : Float(tick), tick: tick, plan)
        }
        #expect(abs((season.weekValue(at: 103, plan) ?? 0) - 103) < 0.3)
        #expect(season.weekValue(at: 147, plan) == nil)
    }

    /// The first weekend looks like a shift and is taken back on Monday; from the second on it is known.
    @Test func weekendsAreNoShifts() throws {
        let series = Quarter.series(days: 28) { ($0.daily, $0.weekly, $0.noise) = (0.4, 0.5, 0.05) }
        var forecaster = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        var (error, count) = (0.0, 0.0)
        for (tick, value) in series.values.enumerated() {
            try forecaster.observe(#require(value), at: tick)
            // On Fridays, for Saturdays: a day ahead.
            guard tick >= 17 * Quarter.day, tick / Quarter.day % 7 == 4, tick % 12 == 0 else { continue }
            let median = Double(try #require(forecaster.quantiles(ahead: Quarter.day))[3])
            error += abs(median - series.expected[tick + Quarter.day]) / series.expected[tick + Quarter.day]
            count += 1
        }
        #expect(count > 10 && error / count < 0.1, "\(error / count)")
        let shift = try #require(forecaster.explanation.lastShift)
        #expect(shift < 8 * Quarter.day)
    }
}

@Suite("Young series")
struct YoungSeriesTests {
    private static let fleet: [SyntheticSeries] = (0..<6).map { place in
        Quarter.series(seed: UInt64(60 + place), days: 12) {
            $0.mean = [3, 20, 100, 600][place % 4]
            ($0.noise, $0.daily) = ([0.02, 0.1, 0.4][place % 3], [0, 0.4][place % 2])
            $0.isWhole = true
        }
    }

    private static let learned = Result { try fleet.map { try Quarter.learned($0.values) } }

    /// Cut off after so many samples, forecast with the prior of the others: 80 % intervals hold what they say, roughly,
    /// at every age.
    @Test(arguments: [1, 4, 24, 96, 288]) func intervalsAreHonestAtEveryAge(age: Int) throws {
        var (inside, widths, count) = (0.0, 0.0, 0.0)
        let learned = try Self.learned.get()
        for (place, one) in Self.fleet.enumerated() {
            let prior = FleetPrior(plan: Quarter.plan, fleet: learned.enumerated().filter { $0.0 != place }.map(\.1))
            for cut in [5 * Quarter.day + 31, 8 * Quarter.day + 77] {
                var young = SeriesForecaster(plan: Quarter.plan, prior: prior)
                for tick in cut - age..<cut { try young.observe(#require(one.values[tick]), at: tick) }
                for (step, row) in young.quantiles(upTo: Quarter.day).enumerated() {
                    let value = Float(try #require(one.values[cut + step]))
                    inside += row[2] <= value && value <= row[4] ? 1 : 0
                    widths += Double((row[4] - row[2]) / (value + 1))
                    count += 1
                }
            }
        }
        #expect(inside / count > 0.7, "\(inside / count)")
        #expect(widths / count < 4, "\(widths / count)")
    }

    /// Wider than those of a learned series, and narrower with age.
    @Test func inexperienceFades() throws {
        var forecaster = SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        var widening: [Float] = []
        for (tick, value) in Self.fleet[2].values.enumerated() {
            try forecaster.observe(#require(value), at: tick)
            if tick % Quarter.day == Quarter.day - 1 { widening.append(forecaster.inexperience(8)[1]) }
        }
        #expect(zip(widening, widening.dropFirst()).allSatisfy { $0 > $1 })
        #expect(widening[0] > 0.2 && widening[11] < 0.1)
    }
}
