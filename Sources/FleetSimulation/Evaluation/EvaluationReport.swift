import NetworkTypes

/// Policies side by side as text.
public struct EvaluationReport: Sendable {
    private let results: [EvaluationResult]
    private let plan: EvaluationPlan

    public init(_ results: [EvaluationResult], plan: EvaluationPlan) {
        self.results = results
        self.plan = plan
    }

    private static let columns: [(name: String, value: @Sendable (EvaluationResult) -> String)] = [
        ("staged %", { share($0, .staged) }), ("leased %", { share($0, .leased) }),
        ("reserved %", { share($0, .reserved) }), ("cold %", { share($0, .cold) }),
        ("refused", { "\($0.byClass[LaunchClass.refused.rawValue])" }),
        ("hit %", { percent($0.hit) }), ("macro", { percent($0.hitMacro) }),
        ("on host %", { percent($0.hitOnHost) }), ("macro", { percent($0.hitOnHostMacro) }),
        ("idle %", { percent($0.idle) }), ("macro", { percent($0.idleMacro) }),
        ("on hosts %", { percent($0.idleOnHosts) }), ("macro", { percent($0.idleOnHostsMacro) }),
        ("messages", { fixed($0.messagesPerLaunch, 1) }), ("routes", { fixed($0.routes, 0) }),
        ("most", { "\($0.routesMax)" }), ("extents", { fixed($0.extents, 2) }),
        ("requests", { fixed($0.requestsPerHour, 2) }),
    ]

    private static func share(_ result: EvaluationResult, _ kind: LaunchClass) -> String {
        percent(result.launches > 0 ? Double(result.byClass[kind.rawValue]) / Double(result.launches) : 0)
    }

    private static func percent(_ share: Double) -> String { fixed(share * 100, share < 10 ? 1 : 0) }

    /// A table in Markdown, which also reads well on a terminal.
    public var table: String {
        let days = fixed(plan.scored.inSeconds / 86_400, 1)
        var lines = [
            "evaluate: seed \(plan.seed), \(plan.hosts) hosts, placement \(plan.placement.rawValue), \(days) days, "
                + "\(results.first?.rows.count ?? 0) applications, \(results.first?.launches ?? 0) launches", "",
            "| policy | " + Self.columns.map(\.name).joined(separator: " | ") + " |",
            "|---|" + Self.columns.map { _ in "---:|" }.joined(),
        ]
        for result in results {
            lines.append(
                "| \(result.policy) | " + Self.columns.map { $0.value(result) }.joined(separator: " | ") + " |")
        }
        var text = lines.joined(separator: "\n") + "\n"
        if let bar = EvaluationBar(results).table { text += "\n" + bar }
        return text
    }

    /// Hits by idle identifiers, as SVG by file name.
    public var charts: [(name: String, svg: String)] {
        let fleet = "\(plan.hosts) hosts, \(plan.placement.rawValue)"
        let file = "pareto-\(plan.hosts)-\(plan.placement.rawValue)"
        return [
            (
                "\(file)-host.svg",
                ParetoChart(
                    title: "Launches from a block on their host, \(fleet)",
                    series: ParetoChart.series(results) { $0.hitOnHost }
                ).svg
            ),
            (
                "\(file)-application.svg",
                ParetoChart(
                    title: "Launches without a cold allocation, \(fleet)",
                    series: ParetoChart.series(results) { $0.hit }
                ).svg
            ),
        ]
    }
}
