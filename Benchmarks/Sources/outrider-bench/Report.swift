import Foundation

/// One line per case.
enum Report {
    static func heading() {
        print("case                                       operations   per second     p50 us     p99 us")
    }

    /// Many operations timed as one: for those that are too short for a clock of their own.
    static func bulk(_ name: String, operations: Int, _ body: () throws -> Void) rethrows {
        let clock = ContinuousClock()
        // The first round pays for caches and lazy initialisation.
        try body()
        let elapsed = try clock.measure(body)
        line(name, operations: operations, elapsed: elapsed, singles: [])
    }

    /// Every operation timed.
    ///
    /// - Parameter meanMax: bar of the mean in microseconds.
    static func each(
        _ name: String, operations: Int, warmup: Int = 100, meanMax: Double? = nil,
        _ body: (Int) async throws -> Void
    ) async rethrows {
        let clock = ContinuousClock()
        for index in 0..<warmup { try await body(index) }
        var singles: [Duration] = []
        singles.reserveCapacity(operations)
        let start = clock.now
        for index in 0..<operations {
            let before = clock.now
            try await body(warmup + index)
            singles.append(before.duration(to: clock.now))
        }
        line(name, operations: operations, elapsed: start.duration(to: clock.now), singles: singles, meanMax: meanMax)
    }

    private static func line(
        _ name: String, operations: Int, elapsed: Duration, singles: [Duration], meanMax: Double? = nil
    ) {
        let sorted = singles.sorted()
        func quantile(_ level: Double, _ metric: String) -> String {
            guard !sorted.isEmpty else { return "-" }
            let value = seconds(sorted[min(sorted.count - 1, Int(Double(sorted.count) * level))]) * 1e6
            Results.add("\(name), \(metric)", value, "us")
            return String(format: "%.1f", value)
        }
        Results.add("\(name), mean", seconds(elapsed) / Double(operations) * 1e6, "us", bar: meanMax)
        let rate = String(format: "%.0f", Double(operations) / seconds(elapsed))
        let columns = [("\(operations)", 12), (rate, 13), (quantile(0.5, "p50"), 11), (quantile(0.99, "p99"), 11)]
        let cells = columns.map { text, width in String(repeating: " ", count: max(0, width - text.count)) + text }
        print(name.padding(toLength: 41, withPad: " ", startingAt: 0) + cells.joined())
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
