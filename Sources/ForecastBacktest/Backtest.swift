/// Forecasts of a whole set with their scores.
public struct Backtest: Sendable {
    /// One series with what was given and how it did.
    public struct Entry: Sendable {
        public var series: TraceSet.Series
        public var predictions: [Prediction]
        public var naive: [Prediction]
    }

    public var entries: [Entry]

    /// - Parameter forecast: gives the predictions of a series at its origins.
    public init(_ traces: TraceSet, forecast: (TraceSet.Series) throws -> [Prediction]) rethrows {
        entries = try traces.series.map {
            Entry(series: $0, predictions: try forecast($0), naive: $0.naive())
        }
    }

    /// Places of the origins that costly models are compared at: 0, 3, 7, 11 of each series.
    public static let corePlaces: Set<Int> = [0, 3, 7, 11]

    /// - Parameter isCore: at the core origins only.
    public func scores(_ horizon: SeriesScore.Horizon, isCore: Bool) -> [(own: SeriesScore, naive: SeriesScore)] {
        entries.compactMap { entry in
            func pick(_ predictions: [Prediction]) -> [Prediction] {
                guard isCore else { return predictions }
                return predictions.enumerated().filter { Self.corePlaces.contains($0.offset) }.map(\.element)
            }
            guard let own = SeriesScore(entry.series, predictions: pick(entry.predictions), horizon: horizon),
                let naive = SeriesScore(entry.series, predictions: pick(entry.naive), horizon: horizon)
            else { return nil }
            return (own, naive)
        }
    }

    public func score(_ horizon: SeriesScore.Horizon, isCore: Bool) -> SetScore {
        let pairs = scores(horizon, isCore: isCore)
        return SetScore(pairs.map(\.own), naive: pairs.map(\.naive))
    }
}
