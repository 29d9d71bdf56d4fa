public import Forecasting
import SimulationKit

/// Quantiles given at one origin, by step.
public struct Prediction: Sendable {
    public var series: String
    public var origin: TraceSet.Origin
    /// At ``Quantile/levels``, for steps 1, 2, ...
    public var steps: [[Double]]
    public init(series: String, origin: TraceSet.Origin, steps: [[Double]]) {
        self.series = series
        self.origin = origin
        self.steps = steps
    }

    /// As the scorers read it.
    public static func csv(_ predictions: [Prediction]) -> String {
        var text = "series_id,origin,step," + Quantile.levels.map { "q\($0)" }.joined(separator: ",") + "\n"
        for prediction in predictions {
            for (index, row) in prediction.steps.enumerated() {
                text += "\(prediction.series),\(prediction.origin.time),\(index + 1)"
                for value in row { text += ",\(value)" }
                text += "\n"
            }
        }
        return text
    }
}

extension TraceSet.Series {
    /// What the forecaster may use besides the samples up to the origin.
    public struct Options: Sendable {
        /// Lends to young series; nil means that of no fleet.
        public var prior: FleetPrior?
        /// Samples before this place are not shown: a cold start.
        public var from = 0
        /// Share of the samples, origins apart, that stay unknown, drawn from `seed`.
        public var missing = 0.0
        public var seed: UInt64 = 1
        /// Whether samples at origins are always known.
        public var keepsOrigins = false
        /// Without the fallback to the baseline.
        public var isExpertsOnly = false
        public init() {}
    }

    /// Of this series.
    public func plan() throws(SeriesConfigurationError) -> SeriesPlan {
        SeriesPlan(try SeriesConfiguration(samplesPerDay: meta.periodDay, valueMax: 1e12))
    }

    /// Forecasts of a ``SeriesForecaster`` that was fed sample by sample up to each origin and nothing later.
    public func predictions(_ options: Options = Options()) throws -> [Prediction] {
        let plan = try self.plan()
        var forecaster = SeriesForecaster(plan: plan, prior: options.prior ?? FleetPrior(plan: plan))
        var holes = SeededGenerator(seed: options.seed)
        let kept = Set(origins.map(\.index))
        var next = options.from
        var result: [Prediction] = []
        for origin in origins.sorted(by: { $0.index < $1.index }) {
            while next <= origin.index, next < values.count {
                if !holes.chance(options.missing) || (options.keepsOrigins && kept.contains(next)) {
                    // What is rejected stays unknown, as it does for everybody.
                    try? forecaster.observe(values[next], at: start / meta.stepS + next)
                }
                next += 1
            }
            forecaster.skip(to: start / meta.stepS + origin.index)
            let count = min(meta.h24, values.count - 1 - origin.index)
            let given =
                options.isExpertsOnly ? forecaster.quantiles(upTo: count) : forecaster.givenQuantiles(upTo: count)
            let steps = given.map { row in (0..<8).map { Double(row[$0]) } }
            result.append(Prediction(series: id, origin: origin, steps: steps))
        }
        return result
    }
}
