import Forecasting

/// Applications that are new: the traces cut off so many hours before an origin, with a fleet prior of the other sources.
///
/// The baseline is the last value with the increments of the same other sources, each by its level, times the own level.
public struct ColdStartTrial: Sendable {
    public struct Outcome: Sendable {
        public var ageHours: Int
        public var horizon: SeriesScore.Horizon
        /// Geometric mean over series of the loss by the baseline's.
        public var ratio: Double
        /// Mean over series of the share inside [.1, .9] and [.025, .975].
        public var coverage80: Double
        public var coverage95: Double
    }

    public let outcomes: [Outcome]

    public init(_ traces: TraceSet, ages: [Int] = [0, 1, 6, 24, 48, 72]) throws {
        let series = traces.series.filter { $0.meta.periodDay >= 96 }
        var taught: [(series: TraceSet.Series, forecaster: SeriesForecaster)] = []
        for one in series { taught.append((one, try one.learned())) }
        var outcomes: [Outcome] = []
        for age in ages {
            var pairs: [(own: Backtest.Entry, base: [Prediction])] = []
            for one in series {
                let others = taught.filter {
                    $0.series.source != one.source && $0.series.meta.periodDay == one.meta.periodDay
                }
                guard !others.isEmpty else { continue }
                let prior = FleetPrior(plan: try one.plan(), fleet: others.map(\.forecaster))
                let table = IncrementTable(others.map(\.series), day: one.meta.periodDay)
                pairs.append(try Self.forecast(one, age: age, prior: prior, table: table))
            }
            for horizon in SeriesScore.Horizon.allCases { outcomes.append(Self.outcome(pairs, age: age, horizon)) }
        }
        self.outcomes = outcomes
    }

    private static func forecast(
        _ series: TraceSet.Series, age: Int, prior: FleetPrior, table: IncrementTable
    ) throws -> (own: Backtest.Entry, base: [Prediction]) {
        let samples = age * series.meta.periodDay / 24
        let origins = series.origins.enumerated().filter { Backtest.corePlaces.contains($0.offset) }.map(\.element)
        var own: [Prediction] = []
        var base: [Prediction] = []
        for origin in origins {
            var options = TraceSet.Series.Options()
            options.prior = prior
            options.from = max(0, origin.index - samples)
            var one = series
            one.origins = [origin]
            own += try one.predictions(options)
            let seen = series.values[options.from...origin.index]
            let level = seen.reduce(0, +) / Double(seen.count) + 1
            let count = min(series.meta.h24, series.values.count - 1 - origin.index)
            let steps = (1...max(1, count)).map { step in
                table.quantiles(step).map { max(0, series.values[origin.index] + $0 * level) }
            }
            base.append(Prediction(series: series.id, origin: origin, steps: steps))
        }
        return (Backtest.Entry(series: series, predictions: own, naive: []), base)
    }

    private static func outcome(
        _ pairs: [(own: Backtest.Entry, base: [Prediction])], age: Int, _ horizon: SeriesScore.Horizon
    ) -> Outcome {
        var ratios: [Double] = []
        var (inside80, inside95) = (0.0, 0.0)
        for pair in pairs {
            guard let own = SeriesScore(pair.own.series, predictions: pair.own.predictions, horizon: horizon),
                let base = SeriesScore(pair.own.series, predictions: pair.base, horizon: horizon)
            else { continue }
            ratios.append(max(own.spl, 1e-3) / max(base.spl, 1e-3))
            inside80 += own.coverage80
            inside95 += own.coverage95
        }
        let count = Double(max(1, ratios.count))
        return Outcome(
            ageHours: age, horizon: horizon, ratio: SetScore.geometricMean(ratios), coverage80: inside80 / count,
            coverage95: inside95 / count)
    }
}

extension TraceSet.Series {
    /// A forecaster that has seen everything.
    fileprivate func learned() throws -> SeriesForecaster {
        let plan = try plan()
        var forecaster = SeriesForecaster(plan: plan, prior: FleetPrior(plan: plan))
        for (place, value) in values.enumerated() { try? forecaster.observe(value, at: start / meta.stepS + place) }
        return forecaster
    }
}

/// Quantiles of increments by level over many series, at some leads, linear in between.
struct IncrementTable {
    private var leads: [Int] = []
    private var rows: [[Double]] = []

    init(_ fleet: [TraceSet.Series], day: Int) {
        var lead = 1
        while lead <= day {
            var pool: [Double] = []
            for one in fleet {
                let level = one.values.reduce(0, +) / Double(max(1, one.values.count)) + 1
                for place in stride(from: lead, to: one.values.count, by: max(1, one.values.count / 400)) {
                    pool.append((one.values[place] - one.values[place - lead]) / level)
                }
            }
            pool.sort()
            leads.append(lead)
            rows.append(Quantile.levels.map { TraceSet.Series.quantile($0, of: pool) })
            lead = lead == day ? day + 1 : min(day, max(lead + 1, lead * 3 / 2))
        }
    }

    func quantiles(_ lead: Int) -> [Double] {
        guard let above = leads.firstIndex(where: { $0 >= lead }) else { return rows[rows.count - 1] }
        guard above > 0, leads[above] != lead else { return rows[above] }
        let share = Double(lead - leads[above - 1]) / Double(leads[above] - leads[above - 1])
        return zip(rows[above - 1], rows[above]).map { $0 + share * ($1 - $0) }
    }
}
