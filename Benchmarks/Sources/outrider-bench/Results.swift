import Foundation
import Synchronization

/// One figure of a benchmark.
struct Metric: Codable, Sendable {
    var metric: String
    /// Nil when it could not be measured here.
    var value: Double?
    var unit: String
    /// The figure must not exceed this, or not fall below it; `ok` knows which. Nil when nothing is promised.
    var bar: Double?
    var ok: Bool
}

/// The figures of the running benchmark, for `.build/bench/NAME.json`.
enum Results {
    private static let collected = Mutex<[Metric]>([])

    static func add(_ metric: String, _ value: Double, _ unit: String, bar: Double? = nil) {
        collected.withLock {
            $0.append(Metric(metric: metric, value: value, unit: unit, bar: bar, ok: bar.map { value <= $0 } ?? true))
        }
    }

    /// A figure that must not fall below `floor`, also on the table.
    static func note(_ metric: String, _ value: Double, _ unit: String, floor: Double) {
        collected.withLock {
            $0.append(Metric(metric: metric, value: value, unit: unit, bar: floor, ok: value >= floor))
        }
        line(metric, value, unit, " (at least \(short(floor)))")
    }

    /// A figure that is no latency, also on the table.
    static func note(_ metric: String, _ value: Double, _ unit: String, bar: Double? = nil) {
        add(metric, value, unit, bar: bar)
        line(metric, value, unit, bar.map { " (bar \(short($0)))" } ?? "")
    }

    /// A figure that cannot be measured here: it says why on the table, and it is not ok.
    static func absent(_ metric: String, _ unit: String, bar: Double? = nil, why: String) {
        collected.withLock { $0.append(Metric(metric: metric, value: nil, unit: unit, bar: bar, ok: false)) }
        print(padded(metric) + " not measured: \(why)")
    }

    /// A figure that must lie between two bars; the nearer one is reported as the bar.
    static func note(_ metric: String, _ value: Double, _ unit: String, within range: ClosedRange<Double>) {
        let middle = (range.lowerBound + range.upperBound) / 2
        let bar = value < middle ? range.lowerBound : range.upperBound
        collected.withLock {
            $0.append(Metric(metric: metric, value: value, unit: unit, bar: bar, ok: range.contains(value)))
        }
        line(metric, value, unit, " (\(short(range.lowerBound)) to \(short(range.upperBound)))")
    }

    private static func line(_ metric: String, _ value: Double, _ unit: String, _ bar: String) {
        print(padded(metric) + " \(short(value)) \(unit)\(bar)")
    }

    private static func padded(_ metric: String) -> String {
        metric.padding(toLength: max(metric.count, 41), withPad: " ", startingAt: 0)
    }

    /// Four digits: some figures are hundreds of thousands, some thousandths.
    private static func short(_ value: Double) -> String {
        value.magnitude >= 1000 ? String(format: "%.0f", value) : String(format: "%.4g", value)
    }

    /// Writes what was collected since the last call.
    ///
    /// - Returns: the metrics that missed their bar.
    static func write(_ name: String) throws -> [Metric] {
        let metrics = collected.withLock { metrics in
            defer { metrics = [] }
            return metrics
        }
        let folder = URL(filePath: ".build/bench", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(metrics).write(to: folder.appending(path: "\(name).json"))
        return metrics.filter { !$0.ok }
    }
}
