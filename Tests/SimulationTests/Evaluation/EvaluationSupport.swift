import NetworkTypes
import SimulationKit

@testable import FleetSimulation

/// Small traces and short runs.
enum Small {
    static func instant(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

    /// Rows of seconds, application, launches or stops.
    static func trace(_ rows: [(Double, Int, Int)], applications: Int = 1) -> EventTrace {
        EventTrace(
            applications: (0..<applications).map { "app-\($0)" },
            changes: rows.map { .init(at: instant($0.0), application: $0.1, delta: $0.2) })
    }

    /// An hour, half of it before anything counts.
    static func plan(
        hosts: Int = 3, placement: EvaluationPlan.Placement = .spread, seed: UInt64 = 1
    ) -> EvaluationPlan {
        var plan = EvaluationPlan(seed: seed, hosts: hosts, placement: placement)
        plan.warmUp = .seconds(1800)
        plan.scored = .seconds(1800)
        plan.history = .seconds(3600)
        return plan
    }

    /// Launches singly and in batches, stops of anything; the first third is history.
    static func random(_ generator: inout SeededGenerator, applications: Int = 3, steps: Int = 240) -> EventTrace {
        var present = Array(repeating: 0, count: applications)
        var rows: [(Double, Int, Int)] = []
        var time = -3000.0
        for _ in 0..<steps {
            time += generator.chance(0.2) ? 0 : generator.exponential(mean: 4800 / Double(steps))
            let application = generator.integer(in: 0...applications - 1)
            if present[application] > 0, generator.chance(0.5) {
                let count = generator.integer(in: 1...min(present[application], 9))
                present[application] -= count
                rows.append((time, application, -count))
            } else {
                let count = generator.chance(0.2) ? generator.integer(in: 1...12) : 1
                present[application] += count
                rows.append((time, application, count))
            }
        }
        return trace(rows, applications: applications)
    }

    /// One of each kind.
    static let policies = [
        "warm:2", "warm:3:8:recent", "blocks:8", "keep:300:8:4:12", "naive:0.9", "watermark:4", "predictive:0.8:4",
        "oracle",
    ]

    static func run(
        _ policy: String, _ trace: EventTrace, _ plan: EvaluationPlan
    ) throws -> EvaluationRun {
        let choice = try PolicyChoice.parse(policy)[0]
        let workload = EvaluationWorkload(trace, plan: plan)
        let learnt = choice.forecasts ? try DemandRecorder.learn(workload, plan: plan) : []
        return try EvaluationRun(
            workload, plan: plan, policy: choice.policy(for: workload, plan: plan, learnt: learnt))
    }
}
