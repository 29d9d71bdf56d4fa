import Forecasting

/// How forecasts of one series did at one horizon; the definitions of the usual scorers of these figures.
public struct SeriesScore: Sendable, Hashable {
    public enum Horizon: String, Sendable, CaseIterable {
        case hour = "1h"
        case day = "24h"
    }

    public var series: String
    public var horizon: Horizon
    /// Scored steps.
    public var count: Int
    /// Mean absolute error of the median, by the in-sample seasonal naive error.
    public var mase: Double
    /// Twice the mean pinball loss at .1, .5, .9, .95, .99, by the same.
    public var spl: Double
    /// Shares inside [.1, .9], [.05, .95], [.025, .975].
    public var coverage80: Double
    public var coverage90: Double
    public var coverage95: Double
    /// Shares not above the .95 and .99 quantiles.
    public var up95: Double
    public var up99: Double

    /// Levels whose pinball loss counts, as places in ``Quantile/levels``.
    static let scored = [2, 3, 4, 5, 7]

    /// - Returns: nil when nothing was predicted.
    init?(_ series: TraceSet.Series, predictions: [Prediction], horizon: Horizon) {
        let steps = horizon == .hour ? series.meta.h1 : series.meta.h24
        var sums = Sums()
        for prediction in predictions {
            for (index, row) in prediction.steps.prefix(steps).enumerated() {
                let place = prediction.origin.index + 1 + index
                guard place < series.values.count else { break }
                sums.add(series.values[place], row)
            }
        }
        guard sums.count > 0 else { return nil }
        let count = Double(sums.count)
        self.series = series.id
        self.horizon = horizon
        self.count = sums.count
        mase = sums.error / count / series.meta.maseScale
        spl = sums.loss / count / series.meta.maseScale
        coverage80 = sums.inside80 / count
        coverage90 = sums.inside90 / count
        coverage95 = sums.inside95 / count
        up95 = sums.under95 / count
        up99 = sums.under99 / count
    }

    private struct Sums {
        var count = 0
        var error = 0.0
        var loss = 0.0
        var inside80 = 0.0
        var inside90 = 0.0
        var inside95 = 0.0
        var under95 = 0.0
        var under99 = 0.0

        mutating func add(_ value: Double, _ row: [Double]) {
            count += 1
            error += abs(value - row[3])
            for place in SeriesScore.scored {
                let miss = value - row[place]
                let level = Quantile.levels[place]
                loss += 2 * max(level * miss, (level - 1) * miss) / Double(SeriesScore.scored.count)
            }
            func share(_ condition: Bool) -> Double { condition ? 1 : 0 }
            inside80 += share(value >= row[2] && value <= row[4])
            inside90 += share(value >= row[1] && value <= row[5])
            inside95 += share(value >= row[0] && value <= row[6])
            under95 += share(value <= row[5])
            under99 += share(value <= row[7])
        }
    }
}

extension TraceSet.Series {
    /// Yesterday's value with the quantiles of the lag-1-day errors of the last 14 days: what losses are divided by.
    public func naive() -> [Prediction] {
        let day = meta.periodDay
        return origins.map { origin in
            let window = min(14 * day, origin.index + 1 - day)
            let errors = (origin.index - window + 1...origin.index).map { values[$0] - values[$0 - day] }.sorted()
            let quantiles = Quantile.levels.map { Self.quantile($0, of: errors) }
            let steps = (1...max(1, min(meta.h24, values.count - 1 - origin.index))).map { step in
                quantiles.map { max(0, values[origin.index - day + step] + $0) }
            }
            return Prediction(series: id, origin: origin, steps: steps)
        }
    }

    /// Linear between order statistics (type 7 of Hyndman and Fan, 1996).
    static func quantile(_ level: Double, of sorted: [Double]) -> Double {
        let place = level * Double(sorted.count - 1)
        let low = Int(place.rounded(.down))
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
    }
}

/// Scores of one horizon over a set.
public struct SetScore: Sendable, Hashable {
    /// Geometric mean over series of the loss by that of the seasonal naive forecast, both at least 1e-3.
    public var relativeSPL: Double
    /// Mean over series, each at most 5.
    public var spl: Double
    public var mase: Double
    /// Means over series.
    public var coverage80: Double
    public var coverage90: Double
    public var coverage95: Double
    public var up99: Double
    public var series: Int

    /// - Parameters:
    ///   - scores: of one horizon.
    ///   - naive: of the same series and horizon, in the same order.
    public init(_ scores: [SeriesScore], naive: [SeriesScore]) {
        let ratios = zip(scores, naive).map { max($0.spl, 1e-3) / max($1.spl, 1e-3) }
        relativeSPL = SetScore.geometricMean(ratios)
        func mean(_ value: (SeriesScore) -> Double) -> Double {
            scores.reduce(0) { $0 + value($1) } / Double(max(1, scores.count))
        }
        spl = mean { min($0.spl, 5) }
        mase = mean { min($0.mase, 5) }
        coverage80 = mean(\.coverage80)
        coverage90 = mean(\.coverage90)
        coverage95 = mean(\.coverage95)
        up99 = mean(\.up99)
        series = scores.count
    }

    static func geometricMean(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return .nan }
        var sum = 0.0
        for value in values { sum += naturalLogarithm(value) }
        return naturalExponential(sum / Double(values.count))
    }
}
