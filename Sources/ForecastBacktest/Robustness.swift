import Forecasting
import SimulationKit

/// How much a figure depends on what is in the set.
public struct Robustness: Sendable {
    /// Geometric mean of the relative losses without each source, by source.
    public var without: [(source: String, relativeSPL: Double)]
    /// Between the .05 and .95 quantiles of the same over series drawn with replacement.
    public var interval: (low: Double, high: Double)

    /// - Parameter seed: of the draws.
    public init(_ backtest: Backtest, horizon: SeriesScore.Horizon, isCore: Bool, draws: Int = 2000, seed: UInt64 = 1) {
        let scores = backtest.scores(horizon, isCore: isCore)
        let sources = Dictionary(uniqueKeysWithValues: backtest.entries.map { ($0.series.id, $0.series.source) })
        let logs = scores.map { pair in
            (
                source: sources[pair.own.series] ?? "",
                value: naturalLogarithm(max(pair.own.spl, 1e-3) / max(pair.naive.spl, 1e-3))
            )
        }
        func mean(_ values: [Double]) -> Double {
            naturalExponential(values.reduce(0, +) / Double(max(1, values.count)))
        }
        without = Set(logs.map(\.source)).sorted().map { source in
            (source, mean(logs.filter { $0.source != source }.map(\.value)))
        }
        var dice = SeededGenerator(seed: seed)
        let means = (0..<draws).map { _ in
            mean(logs.map { _ in logs[dice.integer(in: 0...logs.count - 1)].value })
        }.sorted()
        interval = (
            TraceSet.Series.quantile(0.05, of: means), TraceSet.Series.quantile(0.95, of: means)
        )
    }
}

extension TraceSet.Series {
    /// Where the series comes from.
    public var source: String { meta.source ?? id }
}

extension TraceSet.Meta {
    /// The first two words of the described origin, without the file.
    var source: String? {
        guard let origin else { return nil }
        let words = origin.split(separator: " ")
        guard words.count > 1, let slash = words[1].lastIndex(of: "/") else { return origin }
        let repository = words[0].split(separator: "/").suffix(1).joined()
        return "\(repository) \(words[1][..<slash])"
    }
}
