import ForecastBacktest
import Forecasting
import Foundation

/// Accuracy on real traces, which are not part of this repository: OUTRIDER_TRACES names the folder of a set.
enum TracesBenchmark {
    static let variable = "OUTRIDER_TRACES"

    static func run() throws {
        guard let path = ProcessInfo.processInfo.environment[variable] else { return absent() }
        let traces = try TraceSet(folder: URL(filePath: path, directoryHint: .isDirectory))
        let full = try Backtest(traces) { try $0.predictions() }
        accuracy(full)
        bounds(full)
        try experts(traces)
        for horizon in SeriesScore.Horizon.allCases { spread(full, horizon) }
        try missing(traces, full)
        for outcome in try ColdStartTrial(traces).outcomes {
            let name = "cold start, \(outcome.ageHours) h: \(outcome.horizon.rawValue)"
            Results.note("\(name) loss, of baseline's", outcome.ratio, "times", bar: 1)
            Results.note("\(name) coverage 80 %", outcome.coverage80, "", floor: 0.76)
            Results.note("\(name) coverage 95 %", outcome.coverage95, "")
        }
    }

    private typealias Bar = (
        name: String, isCore: Bool, horizon: SeriesScore.Horizon, relative: Double, spl: Double?
    )
    private static let bars: [Bar] = [
        ("core, 1 h", true, .hour, 0.178, 0.21), ("core, 24 h", true, .day, 0.61, 0.68),
        ("all, 1 h", false, .hour, 0.195, nil), ("all, 24 h", false, .day, 0.64, nil),
    ]

    private static func accuracy(_ backtest: Backtest) {
        for bar in bars {
            let score = backtest.score(bar.horizon, isCore: bar.isCore)
            Results.note("\(bar.name): relSPL", score.relativeSPL, "", bar: bar.relative)
            Results.note("\(bar.name): SPL", score.spl, "", bar: bar.spl)
            Results.note("\(bar.name): MASE", score.mase, "")
            Results.note("\(bar.name): coverage 80 %", score.coverage80, "", within: 0.76...0.84)
            Results.note("\(bar.name): coverage 95 %", score.coverage95, "", within: 0.93...0.97)
        }
    }

    private static func absent() {
        let why = "\(variable) names no folder"
        for bar in bars {
            Results.absent("\(bar.name): relSPL", "", bar: bar.relative, why: why)
            if let spl = bar.spl { Results.absent("\(bar.name): SPL", "", bar: spl, why: why) }
            Results.absent("\(bar.name): coverage 80 %", "", bar: 0.76, why: why)
            Results.absent("\(bar.name): coverage 95 %", "", bar: 0.93, why: why)
        }
        Results.absent("rows crossing, negative or above the cap", "rows", bar: 0, why: why)
        for horizon in SeriesScore.Horizon.allCases {
            Results.absent("missing 20 %, \(horizon.rawValue): loss", "of full", bar: 1.05, why: why)
            Results.absent("missing 20 %, \(horizon.rawValue): worst draw", "of full", bar: 1.05, why: why)
            Results.absent("cold start: \(horizon.rawValue) loss, of baseline's", "times", bar: 1, why: why)
            Results.absent("core, \(horizon.rawValue): relSPL bootstrap, sources left out", "", why: why)
        }
    }

    /// What is given falls back to the baseline where that has been better; the experts alone stand beside.
    private static func experts(_ traces: TraceSet) throws {
        let alone = try Backtest(traces) { series in
            var options = TraceSet.Series.Options()
            options.isExpertsOnly = true
            return try series.predictions(options)
        }
        for bar in bars {
            let score = alone.score(bar.horizon, isCore: bar.isCore)
            Results.note("\(bar.name): relSPL of the experts alone", score.relativeSPL, "")
        }
    }

    /// Rows that cross, are negative, or exceed ten times the maximum of the eight days before the origin.
    private static func bounds(_ backtest: Backtest) {
        var bad = 0
        for entry in backtest.entries {
            for prediction in entry.predictions {
                let first = max(0, prediction.origin.index - 8 * entry.series.meta.periodDay)
                let top = entry.series.values[first...prediction.origin.index].max() ?? 0
                for row in prediction.steps {
                    let isOrdered = zip(row, row.dropFirst()).allSatisfy { $0 <= $1 }
                    // Seven digits are what a forecast is computed with.
                    if !isOrdered || row[0] < 0 || row[7] > 10 * top * (1 + 1e-6) { bad += 1 }
                }
            }
        }
        Results.note("rows crossing, negative or above the cap", Double(bad), "rows", bar: 0)
    }

    private static func spread(_ backtest: Backtest, _ horizon: SeriesScore.Horizon) {
        let robustness = Robustness(backtest, horizon: horizon, isCore: true)
        let name = "core, \(horizon.rawValue): relSPL"
        for (source, value) in robustness.without { Results.note("\(name) without \(source)", value, "") }
        Results.note("\(name) bootstrap .05", robustness.interval.low, "")
        Results.note("\(name) bootstrap .95", robustness.interval.high, "")
    }

    /// A fifth of all samples unknown, four draws; the loss over the set by that with all samples.
    private static func missing(_ traces: TraceSet, _ full: Backtest) throws {
        var ratios: [SeriesScore.Horizon: (kept: [Double], missing: [Double])] = [.hour: ([], []), .day: ([], [])]
        for seed in 1...4 as ClosedRange<UInt64> {
            for keepsOrigins in [true, false] {
                let holed = try Backtest(traces) { series in
                    var options = TraceSet.Series.Options()
                    (options.missing, options.seed, options.keepsOrigins) = (0.2, seed, keepsOrigins)
                    return try series.predictions(options)
                }
                for horizon in SeriesScore.Horizon.allCases {
                    let ratio =
                        holed.score(horizon, isCore: false).relativeSPL
                        / full.score(horizon, isCore: false).relativeSPL
                    if keepsOrigins {
                        ratios[horizon]?.kept.append(ratio)
                    } else {
                        ratios[horizon]?.missing.append(ratio)
                    }
                }
            }
        }
        for horizon in SeriesScore.Horizon.allCases {
            guard let (kept, missing) = ratios[horizon] else { continue }
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
            let name = "missing 20 %, \(horizon.rawValue)"
            Results.note("\(name): loss", mean(kept), "of full", bar: 1.05)
            Results.note("\(name): worst draw", kept.max() ?? 0, "of full", bar: 1.05)
            Results.note("\(name): loss with origins missing too", mean(missing), "of full", bar: 1.05)
            Results.note("\(name): worst draw of that", missing.max() ?? 0, "of full")
        }
    }
}
