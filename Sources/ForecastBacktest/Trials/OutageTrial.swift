import Forecasting
import SimulationKit

/// Two hours without telemetry, at twelve times of the day, in daily series.
public struct OutageTrial: Sendable {
    /// Outages during which the forecast for a fixed later moment moved by more than a hundredth, or its .95 quantile fell
    /// by more than a twentieth: what would scale in.
    public private(set) var turned = 0
    public private(set) var outages = 0

    public init() throws {
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        for seed in 1...12 as ClosedRange<UInt64> {
            var shape = SyntheticSeries.Shape()
            (shape.daily, shape.noise) = (0.5, 0.05)
            let values = SyntheticSeries(shape, seed: seed, days: 11).values.map { $0 ?? 0 }
            var forecaster = SeriesForecaster(plan: plan, prior: prior)
            let last = 10 * 288 + Int(seed) * 24 - 1
            for tick in 0...last { try forecaster.observe(values[tick], at: tick) }
            let before = forecaster.quantiles(upTo: 72)
            var hasTurned = false
            for gap in 1...24 {
                forecaster.skip(to: last + gap)
                for (step, given) in forecaster.quantiles(upTo: 72 - gap).enumerated() {
                    let then = before[step + gap]
                    if abs(given[3] - then[3]) > 0.01 * then[3] || given[5] < 0.95 * then[5] { hasTurned = true }
                }
            }
            outages += 1
            turned += hasTurned ? 1 : 0
        }
    }
}
