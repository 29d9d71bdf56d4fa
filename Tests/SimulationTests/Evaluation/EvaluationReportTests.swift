import NetworkTypes
import Testing

@testable import FleetSimulation

@Suite("Evaluation: what is said of it")
struct EvaluationReportTests {
    private static func results(_ policies: [String]) throws -> [EvaluationResult] {
        let trace = Small.trace([(10, 0, 3), (400, 0, 2), (700, 0, -4), (900, 0, 5)])
        return try policies.map { policy in
            var run = try Small.run(policy, trace, Small.plan())
            return try run.run()
        }
    }

    /// A result with these figures and nothing else of interest.
    private static func result(_ policy: String, hit: Double, idle: Double) throws -> EvaluationResult {
        var result = try results(["keep:60"])[0]
        (result.policy, result.hitOnHost, result.idle) = (policy, hit, idle)
        return result
    }

    @Test func theFrontierIsTheCheapestOfAll() throws {
        let frontier = EvaluationBar.Frontier([
            try Self.result("warm:1:4", hit: 0.6, idle: 1), try Self.result("warm:2:4", hit: 0.8, idle: 4),
            try Self.result("warm:3:4", hit: 0.5, idle: 3), try Self.result("warm:4:4", hit: 0.7, idle: 5),
        ])
        #expect(frontier.points.map(\.hit) == [0.6, 0.8])
        #expect(frontier.idle(at: 0.6) == 1)
        #expect(frontier.idle(at: 0.8) == 4)
        let middle = try #require(frontier.idle(at: 0.7))
        #expect(abs(middle - 2) < 1e-3, "half way in the logarithm, not \(middle)")
        #expect(frontier.idle(at: 0.59) == nil)
        #expect(frontier.idle(at: 0.81) == nil)
    }

    @Test func barsThatAreMissedStandOut() throws {
        let warm = [
            try Self.result("warm:1:4", hit: 0.8, idle: 1), try Self.result("warm:2:4", hit: 0.9, idle: 4),
        ]
        let good = try Self.result("oracle", hit: 0.9, idle: 2.3)
        let bad = try Self.result("blocks:4", hit: 0.8, idle: 0.7)
        let table = try #require(EvaluationBar(warm + [good, bad]).table)
        #expect(table.contains("| oracle | 90.0 |"))
        #expect(table.contains("| 57.5 | - |"))
        #expect(table.contains("| blocks:4 | **80.0** |"))
        #expect(table.contains("| **70.0** | - |"))
        #expect(EvaluationBar([good, bad]).table == nil)
    }

    @Test func everyPolicyHasARowAndAPoint() throws {
        let policies = ["warm:1", "warm:1:4:recent", "oracle"]
        let report = EvaluationReport(try Self.results(policies), plan: Small.plan())
        let rows = report.table.split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(rows.count == 1 + 3 + 1 + 1)
        #expect(Set(report.charts.map(\.name)).count == 2)
        for chart in report.charts {
            #expect(chart.svg.hasPrefix("<svg ") && chart.svg.hasSuffix("</svg>\n"))
            #expect(chart.svg.contains("warm on recent hosts"))
            for name in ["warm:1:4", "warm:1:4:recent", "oracle"] {
                #expect(chart.svg.contains("<title>\(name)</title>"))
            }
        }
    }
}
