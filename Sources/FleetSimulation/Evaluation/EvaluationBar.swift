/// Each policy held against static warm pools that reach the same launches on their hosts, and against the bars.
struct EvaluationBar: Sendable {
    /// Identifiers that the best of some warm pools would keep idle at a hit, interpolated in their logarithm.
    struct Frontier: Sendable {
        /// Rising in both; nothing has a higher hit for less.
        let points: [(hit: Double, idle: Double)]

        init(_ results: [EvaluationResult]) {
            var points: [(hit: Double, idle: Double)] = []
            for result in results.sorted(by: { ($0.idle, -$0.hitOnHost) < ($1.idle, -$1.hitOnHost) })
            where result.hitOnHost > points.last?.hit ?? -1 { points.append((result.hitOnHost, result.idle)) }
            self.points = points
        }

        /// Nil outside of what was swept.
        func idle(at hit: Double) -> Double? {
            guard let upper = points.firstIndex(where: { $0.hit >= hit }) else { return nil }
            if points[upper].hit == hit { return points[upper].idle }
            guard upper > 0, points[upper - 1].idle > 0 else { return nil }
            let (low, high) = (points[upper - 1], points[upper])
            let share = (hit - low.hit) / (high.hit - low.hit)
            return low.idle * Self.power(high.idle / low.idle, share)
        }

        /// A power between 0 and 1, by square roots: three digits are enough, and a core imports no mathematics library.
        private static func power(_ base: Double, _ exponent: Double) -> Double {
            var (root, left, result) = (base, exponent, 1.0)
            for _ in 0..<24 {
                root = root.squareRoot()
                left *= 2
                if left >= 1 {
                    result *= root
                    left -= 1
                }
            }
            return result
        }
    }

    static let hitOnHostLeast = 0.85
    static let hitLeast = 0.97
    static let idleMost = 0.60
    static let extentsMost = 1.5
    static let requestsMost = 2.0

    private let everywhere: Frontier
    private let recent: Frontier
    private let results: [EvaluationResult]

    init(_ results: [EvaluationResult]) {
        let warm = results.filter { $0.family == PolicyFamily.warm.rawValue }
        everywhere = Frontier(warm.filter { !$0.policy.hasSuffix(":recent") })
        recent = Frontier(warm.filter { $0.policy.hasSuffix(":recent") })
        self.results = results.filter { $0.family != PolicyFamily.warm.rawValue }
    }

    /// In Markdown; a figure that misses its bar is in bold.
    var table: String? {
        guard !results.isEmpty, !everywhere.points.isEmpty || !recent.points.isEmpty else { return nil }
        var lines = [
            "| policy | on host, >= \(percent(Self.hitOnHostLeast)) % | hit, >= \(percent(Self.hitLeast)) % "
                + "| idle by that of warm pools, <= \(percent(Self.idleMost)) % | by those on recent hosts "
                + "| extents, <= \(fixed(Self.extentsMost, 1)) | requests, <= \(fixed(Self.requestsMost, 0)) |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for result in results {
            func part(_ frontier: Frontier) -> String {
                guard let idle = frontier.idle(at: result.hitOnHost), idle > 0 else { return "-" }
                let share = result.idle / idle
                return mark(percent(share), share <= Self.idleMost)
            }
            let cells = [
                result.policy, mark(percent(result.hitOnHost), result.hitOnHost >= Self.hitOnHostLeast),
                mark(percent(result.hit), result.hit >= Self.hitLeast), part(everywhere), part(recent),
                mark(fixed(result.extents, 2), result.extents <= Self.extentsMost),
                mark(fixed(result.requestsPerHour, 2), result.requestsPerHour <= Self.requestsMost),
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func percent(_ share: Double) -> String { fixed(share * 100, share < 1 ? 1 : 0) }
    private func mark(_ text: String, _ isMet: Bool) -> String { isMet ? text : "**\(text)**" }
}

extension EvaluationResult {
    /// Name of its ``PolicyFamily``, or its whole name.
    var family: String { policy.split(separator: ":").first.map(String.init) ?? policy }
}
