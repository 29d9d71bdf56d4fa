import Forecasting
import Testing

@testable import ForecastBacktest

/// The last value with the errors of the seasonal naive forecast: crude, but not the naive forecast itself.
func steady(_ series: TraceSet.Series) -> [Prediction] {
    series.naive().map { prediction in
        let origin = prediction.origin.index
        let day = series.meta.periodDay
        let steps = prediction.steps.enumerated().map { step, row in
            row.map { max(0, $0 - series.values[origin - day + 1 + step] + series.values[origin]) }
        }
        return Prediction(series: prediction.series, origin: prediction.origin, steps: steps)
    }
}

@Suite("Scores")
struct ScoreTests {
    private static let backtest = Backtest(.synthetic(days: 16, samplesPerDay: 48)) { steady($0) }

    @Test func theNaiveForecastIsOne() {
        let naive = Backtest(.synthetic(days: 16, samplesPerDay: 48)) { $0.naive() }
        for horizon in SeriesScore.Horizon.allCases {
            #expect(abs(naive.score(horizon, isCore: false).relativeSPL - 1) < 1e-12)
        }
    }

    @Test func theFanChartShowsTheForecast() throws {
        let entry = try #require(Self.backtest.entries.first)
        let svg = FanChart(entry.series, try #require(entry.predictions.first)).svg
        #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains(entry.series.id))
        #expect(svg.components(of: "<path class=\"b\"") == 2)
    }

    @Test func theReportNamesEverySeriesAndSource() {
        let table = BacktestReport(Self.backtest).table
        for entry in Self.backtest.entries { #expect(table.contains(entry.series.id)) }
        #expect(table.contains("without synthetic burst"))
        #expect(BacktestReport.fixed(-1.2346) == "-1.235")
    }

    @Test func theIntervalHoldsTheMean() {
        let spread = Robustness(Self.backtest, horizon: .day, isCore: false)
        let mean = Self.backtest.score(.day, isCore: false).relativeSPL
        #expect(spread.interval.low < mean && mean < spread.interval.high)
        #expect(spread.without.count == Self.backtest.entries.count)
    }

    @Test func csvHasARowPerStep() {
        let csv = Prediction.csv(Self.backtest.entries[0].predictions)
        #expect(csv.hasPrefix("series_id,origin,step,q0.025,q0.05,q0.1,q0.5,q0.9,q0.95,q0.975,q0.99\n"))
        #expect(csv.split(separator: "\n").count == 1 + 12 * 48)
    }
}

extension String {
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: text) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
