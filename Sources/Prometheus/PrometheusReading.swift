/// The points of an answer by the value of one label, without what can be no count or load.
public struct PrometheusReading: Hashable, Sendable {
    /// Why a point or series was left out.
    public enum Skip: String, Hashable, Sendable, CaseIterable {
        /// NaN, or infinite; a staleness marker is a NaN.
        case notFinite = "not-finite"
        case negative
        /// Of another moment than the one asked for.
        case stale
        /// The series lacks the label.
        case unnamed
        /// Two series have the same value of the label: the query has to aggregate.
        case ambiguous
        /// A histogram.
        case withoutNumber = "without-number"
        /// More series than are read.
        case excess
    }

    /// Series read of one answer.
    public static let seriesMax = 200_000

    public var series: [String: [PrometheusAnswer.Point]] = [:]
    /// How many points, or series, were left out.
    public var skipped: [Skip: Int] = [:]

    /// - Parameters:
    ///   - label: names whose series it is.
    ///   - moments: seconds since 1970; points outside are stale.
    public init(_ answer: PrometheusAnswer, label: String, moments: ClosedRange<Double>) {
        skip(.withoutNumber, answer.withoutNumber)
        skip(.excess, max(0, answer.series.count - Self.seriesMax))
        var ambiguous: Set<String> = []
        for entry in answer.series.prefix(Self.seriesMax) {
            guard let name = entry.labels[label], !name.isEmpty else {
                skip(.unnamed, 1)
                continue
            }
            guard series[name] == nil else {
                ambiguous.insert(name)
                skip(.ambiguous, 1)
                continue
            }
            series[name] = entry.points.filter { keep($0, moments) }
        }
        for name in ambiguous {
            series[name] = nil
            skip(.ambiguous, 1)
        }
        series = series.filter { !$0.value.isEmpty }
    }

    private mutating func keep(_ point: PrometheusAnswer.Point, _ moments: ClosedRange<Double>) -> Bool {
        if !point.value.isFinite {
            skip(.notFinite, 1)
        } else if point.value < 0 {
            skip(.negative, 1)
        } else if !moments.contains(point.time) {
            skip(.stale, 1)
        } else {
            return true
        }
        return false
    }

    private mutating func skip(_ reason: Skip, _ count: Int) {
        if count > 0 { skipped[reason, default: 0] += count }
    }
}
