import SimulationKit
import Testing

@testable import Forecasting

@Suite("Calendar")
struct CalendarTests {
    /// 2024-03-31, a Sunday, 01:00 UTC: Central European Time becomes summer time.
    private static let change = 1_711_846_800
    /// 2024-05-01, a Wednesday.
    private static let mayDay = 19_844
    private static let calendar = SeriesCalendar(
        offsets: [.init(since: change, seconds: 7200), .init(since: 0, seconds: 3600)], holidays: [mayDay])

    private static func plan() throws -> SeriesPlan {
        SeriesPlan(try SeriesConfiguration(samplesPerDay: Quarter.day), calendar: calendar)
    }

    @Test func knowsLocalTimeAndDaysOfRest() throws {
        #expect(Self.calendar.offset(at: Self.change - 1) == 3600)
        #expect(Self.calendar.offset(at: Self.change) == 7200)
        #expect(SeriesCalendar().offset(at: Self.change) == 0)
        let rest = (Self.mayDay - 3..<Self.mayDay + 5).map { Self.calendar.isRest($0) }
        #expect(rest == [true, false, false, true, false, false, true, true])
        let plan = try Self.plan()
        #expect(plan.localTick(Self.change / 900) - Self.change / 900 == 8)
        #expect(Quarter.plan.localTick(123) == 123 && Quarter.plan.counterpart(of: 1000) == 1000 - 672)
    }

    /// Noon, local, on the day and on the one that it is compared with.
    @Test(arguments: [
        (mayDay, mayDay - 3), (mayDay + 7, mayDay + 5), (mayDay + 1, mayDay - 6), (mayDay + 3, mayDay - 4),
        (mayDay - 28, mayDay - 35),
    ]) func looksAtTheLastDayOfTheSameKind(day: Int, expected: Int) throws {
        let plan = try Self.plan()
        let noon = { (day: Int) in
            // The last pair lies around the change of clocks.
            let isSummer = day * 86_400 + 36_000 >= Self.change
            return day * Quarter.day + 48 - (isSummer ? 8 : 4)
        }
        #expect(plan.localTick(noon(day)) == day * Quarter.day + 48)
        #expect(plan.counterpart(of: noon(day)) == noon(expected))
    }

    @Test func aCalendarThatSaysNothingChangesNothing() throws {
        let plain = SeriesCalendar(restDays: [])
        let plan = SeriesPlan(try SeriesConfiguration(samplesPerDay: Quarter.day), calendar: plain)
        var (with, without) = (
            SeriesForecaster(plan: plan, prior: FleetPrior(plan: plan)),
            SeriesForecaster(plan: Quarter.plan, prior: Quarter.prior)
        )
        for (tick, value) in Quarter.series(days: 16, { ($0.daily, $0.noise) = (0.4, 0.1) }).values.enumerated() {
            try with.observe(#require(value), at: tick)
            try without.observe(#require(value), at: tick)
        }
        #expect(with.quantiles(upTo: Quarter.day) == without.quantiles(upTo: Quarter.day))
    }
}

@Suite("Caps")
struct CapTests {
    /// A rising application near its quota: nothing beyond it is foreseen, in order, and decided alike.
    @Test func nothingBeyondTheCapIsForecast() throws {
        var forecaster = ApplicationForecaster(shape: try ForecastShape(Compressed.configuration))
        for (tick, sample) in Compressed.samples(TraceShape(mean: 40, amplitude: 0.7), seed: 5, days: 5).enumerated() {
            forecaster.observe(DemandSample(sample), at: tick)
        }
        let current = try #require(forecaster.demand.current)
        let free = forecaster.profile()
        for cap in [current + 3, current, max(0, current - 5)] {
            forecaster.cap = cap
            let limit = Double(max(cap, current))
            for (forecast, other) in zip(forecaster.profile().horizons, free.horizons) {
                for (list, uncapped) in [(forecast.concurrent, other.concurrent), (forecast.peak, other.peak)] {
                    #expect(zip(list, list.dropFirst()).allSatisfy { $0.value <= $1.value })
                    #expect(zip(list, uncapped).allSatisfy { $0.value == min($1.value, limit) })
                }
                let peak = try #require(forecaster.peakQuantile(0.99, lead: forecast.horizon))
                #expect(peak <= limit)
                #expect(forecaster.exceedance(of: Int(limit), within: forecast.horizon) == 0)
            }
        }
        #expect(free.horizons.contains { $0.peak.contains { $0.value > Double(current + 3) } })
    }
}
