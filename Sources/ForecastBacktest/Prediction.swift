import Forecasting

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
    /// Forecasts of a ``SeriesForecaster`` that was fed sample by sample up to each origin and nothing later.
    public func predictions() throws -> [Prediction] {
        let plan = SeriesPlan(try SeriesConfiguration(samplesPerDay: meta.periodDay, valueMax: 1e12))
        var forecaster = SeriesForecaster(plan: plan)
        var next = 0
        var result: [Prediction] = []
        for origin in origins.sorted(by: { $0.index < $1.index }) {
            while next <= origin.index, next < values.count {
                try forecaster.observe(values[next], at: start / meta.stepS + next)
                next += 1
            }
            let steps = forecaster.quantiles(upTo: min(meta.h24, values.count - 1 - origin.index)).map { row in
                (0..<8).map { Double(row[$0]) }
            }
            result.append(Prediction(series: id, origin: origin, steps: steps))
        }
        return result
    }
}
