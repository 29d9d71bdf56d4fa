import Forecasting
import SimulationKit

/// Ten series of an office (half of the demand on days of rest) that lives by local time: a holiday in every second week and
/// a change of clocks, forecast a day ahead with the calendar and without.
public struct CalendarTrial: Sendable {
    /// Losses with the calendar by those without: on holidays and a week after each, on the week after the change of clocks,
    /// and on all other days.
    public private(set) var holidays = 0.0
    public private(set) var changedClocks = 0.0
    public private(set) var others = 0.0

    private static let day = 96
    private static let weeks = 12
    /// Local days since 1970 of the first Monday, and of the change of clocks, a Sunday.
    private static let monday = 20_003
    private static let change = monday + 9 * 7 - 1

    public init() throws {
        let free = Set((2..<Self.weeks / 2).map { Self.monday + 14 * $0 + 2 })
        let calendar = SeriesCalendar(
            offsets: [.init(since: 0, seconds: 3600), .init(since: Self.change * 86_400 + 3600, seconds: 7200)],
            holidays: free)
        let configuration = try SeriesConfiguration(samplesPerDay: Self.day)
        let plans = [SeriesPlan(configuration), SeriesPlan(configuration, calendar: calendar)]
        var losses = Array(repeating: [0.0, 0.0, 0.0], count: 2)
        for seed in 1...10 as ClosedRange<UInt64> {
            var dice = SeededGenerator(seed: seed)
            var forecasters = plans.map { SeriesForecaster(plan: $0, prior: FleetPrior(plan: $0)) }
            var given: [Int: [SIMD8<Float>]] = [:]
            for tick in Self.monday * Self.day..<(Self.monday + 7 * Self.weeks) * Self.day {
                let local = tick + (tick * 900 >= Self.change * 86_400 + 3600 ? 8 : 4)
                let date = local / Self.day
                let isRest = (date - Self.monday) % 7 >= 5 || free.contains(date)
                let hour = Double(local % Self.day) / Double(Self.day)
                let work = hour > 0.3 && hour < 0.75 ? 1.0 : 0.3
                let value = max(0, 100 * work * (isRest ? 0.5 : 1) * (1 + 0.05 * dice.normal()))
                if let views = given.removeValue(forKey: tick) {
                    let kind =
                        free.contains(date) || free.contains(date - 7)
                        ? 0 : (Self.change..<Self.change + 7).contains(date) ? 1 : 2
                    for place in 0..<2 { losses[place][kind] += scoredLoss(views[place], value) }
                }
                for place in 0..<2 { try forecasters[place].observe(value, at: tick) }
                if tick >= (Self.monday + 21) * Self.day, tick % 5 == 0 {
                    given[tick + Self.day] = forecasters.compactMap { $0.quantiles(ahead: Self.day) }
                }
            }
        }
        holidays = losses[1][0] / losses[0][0]
        changedClocks = losses[1][1] / losses[0][1]
        others = losses[1][2] / losses[0][2]
    }
}
