import Forecasting
import SimulationKit

/// Twenty series that follow a CPU load by ten minutes, forecast with it, with a useless indicator, and with neither.
public struct IndicatorTrial: Sendable {
    /// Losses 15 minutes ahead by the loss without indicators.
    public private(set) var planted = 0.0
    public private(set) var useless = 0.0

    public init() throws {
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        var losses = [0.0, 0.0, 0.0]
        for seed in 1...20 as ClosedRange<UInt64> {
            var dice = SeededGenerator(seed: seed)
            var (level, junk) = (100.0, 50.0)
            var cpu: [Double] = []
            var given: [Int: [SIMD8<Float>]] = [:]
            var forecasters = Array(repeating: SeriesForecaster(plan: plan, prior: prior), count: 3)
            for tick in 0..<12 * 288 {
                level = max(0, level + 0.02 * (100 - level) + 4 * dice.normal())
                junk = max(0, junk + 0.02 * (50 - junk) + 4 * dice.normal())
                cpu.append(level)
                let value = max(0, cpu[max(0, tick - 2)] + dice.normal())
                if let views = given.removeValue(forKey: tick) {
                    for place in 0..<3 { losses[place] += scoredLoss(views[place], value) }
                }
                try forecasters[0].observe(value, at: tick)
                try forecasters[1].observe(value, at: tick, indicators: [level])
                try forecasters[2].observe(value, at: tick, indicators: [junk])
                if tick > 6 * 288, tick % 5 == 0 { given[tick + 3] = forecasters.compactMap { $0.quantiles(ahead: 3) } }
            }
        }
        planted = losses[1] / losses[0]
        useless = losses[2] / losses[0]
    }
}
