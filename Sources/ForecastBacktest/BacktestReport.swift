import Forecasting

/// The scores of a backtest as text.
public struct BacktestReport {
    private let backtest: Backtest
    public init(_ backtest: Backtest) { self.backtest = backtest }

    /// Per series, then over the set, then how much that depends on the set.
    public var table: String {
        let heads = SeriesScore.Horizon.allCases.map { "\($0.rawValue): relSPL  SPL  MASE  80 %  95 %" }
        var lines = [row("series", heads)]
        let hour = backtest.scores(.hour, isCore: false)
        let day = backtest.scores(.day, isCore: false)
        for (a, b) in zip(hour, day) { lines.append(row(a.own.series, [cells(a), cells(b)])) }
        for isCore in [true, false] {
            let name = isCore ? "core origins" : "all origins"
            lines.append(
                row(
                    name,
                    SeriesScore.Horizon.allCases.map { horizon in
                        let score = backtest.score(horizon, isCore: isCore)
                        return [
                            score.relativeSPL, score.spl, score.mase, score.coverage80, score.coverage95,
                        ].map(Self.fixed).joined(separator: " ")
                    }))
        }
        for horizon in SeriesScore.Horizon.allCases {
            let spread = Robustness(backtest, horizon: horizon, isCore: true)
            lines.append(
                "relSPL \(horizon.rawValue), core: bootstrap .05 ... .95: \(Self.fixed(spread.interval.low)) ... "
                    + Self.fixed(spread.interval.high) + "; without "
                    + spread.without.map { "\($0.source) \(Self.fixed($0.relativeSPL))" }.joined(separator: ", "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func cells(_ pair: (own: SeriesScore, naive: SeriesScore)) -> String {
        let ratio = max(pair.own.spl, 1e-3) / max(pair.naive.spl, 1e-3)
        return [ratio, pair.own.spl, pair.own.mase, pair.own.coverage80, pair.own.coverage95].map(Self.fixed)
            .joined(separator: " ")
    }

    private func row(_ name: String, _ columns: [String]) -> String {
        ([name] + columns).map { $0 + String(repeating: " ", count: max(1, 34 - $0.count)) }.joined()
    }

    /// Three decimals.
    static func fixed(_ value: Double) -> String {
        guard value.isFinite else { return "  -  " }
        let thousandths = Int((abs(value) * 1000).rounded())
        let rest = String(thousandths % 1000)
        let text = "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
        return (value < 0 ? "-" : "") + text
    }
}
