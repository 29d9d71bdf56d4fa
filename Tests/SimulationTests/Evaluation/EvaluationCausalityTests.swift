import NetworkTypes
import SimulationKit
import Testing

@testable import FleetSimulation

@Suite("Evaluation: one cause, one effect")
struct EvaluationCausalityTests {
    /// Everything that anybody holds, at every look until a moment.
    private static func past(
        _ policy: String, _ trace: EventTrace, _ plan: EvaluationPlan, until end: Instant
    ) throws -> [[ApplicationHoldings]] {
        var run = try Small.run(policy, trace, plan)
        var past: [[ApplicationHoldings]] = []
        _ = try run.run { world, now in if now < end { past.append(world.holdings) } }
        return past
    }

    /// Other things happen from a moment on: nothing before it differs, unless for who knows the future.
    @Test(arguments: Small.policies)
    func theFutureChangesNothingBefore(policy: String) throws {
        let turn = Small.instant(700)
        var differed = 0
        try property("causality of \(policy)", iterations: 2) { generator in
            let plan = Small.plan(hosts: 4, seed: generator.next())
            let trace = Small.random(&generator)
            let before = trace.changes.filter { $0.at < turn }
            let batch = [EventTrace.Change(at: turn, application: 0, delta: 200)]
            let other = EventTrace(applications: trace.applications, changes: before + batch)
            let (one, two) = (
                try Self.past(policy, trace, plan, until: turn), try Self.past(policy, other, plan, until: turn)
            )
            try hold(one.count > 20, "only \(one.count) looks")
            if one != two { differed += 1 }
        }
        if policy == "oracle" { #expect(differed > 0) } else { #expect(differed == 0) }
    }

    @Test(arguments: Small.policies)
    func theSameSeedGivesTheSame(policy: String) throws {
        var generator = SeededGenerator(seed: 5)
        let trace = Small.random(&generator)
        func result(seed: UInt64) throws -> EvaluationResult {
            var run = try Small.run(policy, trace, Small.plan(hosts: 5, placement: .random, seed: seed))
            return try run.run()
        }
        #expect(try result(seed: 1) == result(seed: 1))
        #expect(try result(seed: 1) != result(seed: 2))
    }

    /// Policies are compared on the very same launches, whatever they do.
    @Test func placementIsNoPolicysDoing() throws {
        let trace = Small.trace([(0, 0, 30), (5, 1, 30), (10, 0, -15), (20, 0, 6)], applications: 2)
        func loads(_ placement: EvaluationPlan.Placement) -> [[Int]] {
            var plan = Small.plan(hosts: 6, placement: placement)
            plan.hostCapacity = 20
            var loads = Array(repeating: Array(repeating: 0, count: 6), count: 2)
            for event in EvaluationWorkload(trace, plan: plan).events {
                loads[event.application][event.host] += event.isLaunch ? 1 : -1
            }
            return loads
        }
        #expect(loads(.spread)[1] == [5, 5, 5, 5, 5, 5])
        #expect(loads(.spread)[0].reduce(0, +) == 21)
        let packed = loads(.pack)
        let totals = zip(packed[0], packed[1]).map { $0 + $1 }.sorted()
        #expect(totals.suffix(2) == [20, 20])
        #expect(totals.allSatisfy { $0 <= 20 })
        #expect(Set(loads(.random)[1]).count > 1)
    }
}
