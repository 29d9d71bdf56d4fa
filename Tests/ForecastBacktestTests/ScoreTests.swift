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

    private typealias Figures = (
        series: String, horizon: SeriesScore.Horizon, mase: Double, spl: Double, coverage80: Double, coverage90: Double,
        coverage95: Double, up99: Double
    )
    /// What the Python scorer (numpy, pandas) says about the same set and the same forecasts, written as files.
    private static let figures: [Figures] = [
        ("synthetic_burst", .hour, 0.506171897, 0.343144321, 0.916666667, 0.958333333, 0.958333333, 1.000000000),
        ("synthetic_burst", .day, 0.719503194, 0.406849936, 0.840277778, 0.887152778, 0.911458333, 0.991319444),
        ("synthetic_daily", .hour, 0.958921746, 0.448624872, 0.791666667, 0.916666667, 0.916666667, 1.000000000),
        ("synthetic_daily", .day, 7.704424182, 6.590726961, 0.154513889, 0.222222222, 0.237847222, 0.614583333),
        ("synthetic_gaps", .hour, 1.374393997, 0.827486599, 0.666666667, 0.791666667, 0.833333333, 0.916666667),
        ("synthetic_gaps", .day, 6.119389751, 5.122198301, 0.208333333, 0.258680556, 0.295138889, 0.614583333),
        ("synthetic_intermittent", .hour, 1.131428571, 0.673828571, 0.791666667, 0.791666667, 0.791666667, 1.000000000),
        ("synthetic_intermittent", .day, 0.963809524, 0.599280000, 0.833333333, 0.833333333, 0.833333333, 1.000000000),
        ("synthetic_noise", .hour, 0.992787412, 0.437596419, 0.791666667, 0.875000000, 0.875000000, 1.000000000),
        ("synthetic_noise", .day, 0.865847456, 0.381300017, 0.850694444, 0.913194444, 0.960069444, 0.993055556),
        ("synthetic_shift", .hour, 1.364378008, 0.614544315, 0.625000000, 0.916666667, 0.916666667, 0.958333333),
        ("synthetic_shift", .day, 10.642646040, 11.265437359, 0.185763889, 0.243055556, 0.262152778, 0.585069444),
        ("synthetic_trend", .hour, 1.485968590, 0.704626809, 0.666666667, 0.708333333, 0.750000000, 1.000000000),
        ("synthetic_trend", .day, 5.187792921, 4.030566163, 0.197916667, 0.256944444, 0.298611111, 0.696180556),
        ("synthetic_weekly", .hour, 0.434273220, 0.377432572, 0.916666667, 1.000000000, 1.000000000, 1.000000000),
        ("synthetic_weekly", .day, 1.995560620, 1.083793637, 0.559027778, 0.798611111, 0.850694444, 0.927083333),
    ]

    @Test func scoresAreThoseOfThePythonScorer() throws {
        for figure in Self.figures {
            let score = try #require(
                Self.backtest.scores(figure.horizon, isCore: false).first { $0.own.series == figure.series }
            ).own
            for (own, other) in [
                (score.mase, figure.mase), (score.spl, figure.spl), (score.coverage80, figure.coverage80),
                (score.coverage90, figure.coverage90), (score.coverage95, figure.coverage95), (score.up99, figure.up99),
            ] { #expect(abs(own - other) < 1e-6, "\(figure.series), \(figure.horizon)") }
        }
    }

    /// Relative losses as that scorer prints them: core at an hour and a day, all at an hour and a day.
    @Test func relativeLossesAreThoseOfThePythonScorer() {
        let own = [true, false].flatMap { isCore in
            SeriesScore.Horizon.allCases.map { Self.backtest.score($0, isCore: isCore).relativeSPL }
        }
        for (own, other) in zip(own, [1.287, 3.287, 1.119, 2.779]) { #expect(abs(own - other) < 6e-4) }
    }

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
