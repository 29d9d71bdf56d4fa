import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import FleetSimulation

@Suite("Evaluation: every identifier is somewhere, once")
struct EvaluationConservationTests {
    /// The book, what policies are shown, and what hosts bind agree after every event and every round of decisions.
    @Test(arguments: Small.policies)
    func nothingIsLostOrTwice(policy: String) throws {
        try property("conservation under \(policy)", iterations: 3) { generator in
            let plan = Self.plan(&generator)
            try Self.follow(Small.run(policy, Small.random(&generator), plan))
        }
    }

    /// Targets that rise and fall at random: reserves come and go.
    @Test func nothingIsLostUnderRows() throws {
        try property("conservation under rows", iterations: 6) { generator in
            var csv = "t,app,target,ttl,extra\n"
            for time in stride(from: -1800, to: 1800, by: 120) {
                let (target, extra) = (generator.integer(in: 0...80), generator.integer(in: 0...12))
                csv += "\(time),app-\(generator.integer(in: 0...2)),\(target),300,\(extra)\n"
            }
            let rows = try PolicyRows(csv: Array(csv.utf8), name: "rows")
            let plan = Self.plan(&generator)
            let workload = EvaluationWorkload(Small.random(&generator), plan: plan)
            let policy = SpreadPolicy(
                RowRule(rows, applications: workload.applications), applications: 3, hosts: plan.hosts,
                hold: .seconds(generator.integer(in: 0...300)))
            try Self.follow(EvaluationRun(workload, plan: plan, policy: policy))
        }
    }

    private static func plan(_ generator: inout SeededGenerator) -> EvaluationPlan {
        let placement = EvaluationPlan.Placement.allCases[generator.integer(in: 0...2)]
        var plan = Small.plan(hosts: generator.integer(in: 1...5), placement: placement, seed: generator.next())
        // Small enough to run empty under the wasteful policies.
        plan.pool = 4096
        plan.decisionInterval = .seconds(generator.integer(in: 5...120))
        plan.reserveDelay = .seconds(generator.integer(in: 0...20))
        return plan
    }

    private static func follow(_ run: consuming EvaluationRun) throws {
        var looks = 0
        var broken: (any Error)?
        _ = try run.run { world, now in
            looks += 1
            do { if broken == nil { try Self.check(world, at: now) } } catch { broken = error }
        }
        if let broken { throw broken }
        try hold(looks > 200, "only \(looks) looks")
    }

    private static func check(_ world: borrowing EvaluationWorld, at now: Instant) throws {
        var owned = 0
        var blocks: [SNIBlock] = []
        var bound = 0
        for (application, own) in world.holdings.enumerated() {
            let book = world.book.holdings(of: world.applications[application])
            owned += own.owned
            bound += own.bound
            try hold(own.owned == book.owned, "\(own.owned) held, \(book.owned) in the book at \(now)")
            try hold(own.reserved == book.reserved, "\(own.reserved) reserved, \(book.reserved) in the book")
            try hold(own.returning == book.owned - book.reserved - own.leased, "\(own.returning) return: \(book)")
            try hold(own.requested >= 0 && own.coming.allSatisfy { $0 >= 0 }, "negative requests")
            var leased = 0
            var here = 0
            for (host, held) in own.blocks.enumerated() {
                try hold(held.isEmpty != own.carriers.contains(host), "host \(host) carries \(held.count) blocks")
                for block in held {
                    let parts = block.held.bound + block.ready(at: now) + block.cooling(at: now)
                    try hold(parts == block.block.size, "\(parts) of \(block.block) at \(now)")
                    try hold(!block.isMarked || block.held.bound == 0, "\(block.block) is marked and carries VMs")
                    leased += block.block.size
                    here += block.held.bound
                    blocks.append(block.block)
                }
            }
            try hold(
                leased == own.leased && here == own.bound,
                "\(leased), \(here) on hosts, not \(own.leased), \(own.bound)")
        }
        try hold(
            world.book.free + owned == world.book.capacity, "the pool has \(world.book.free) and \(owned) are owned")
        blocks.sort()
        for (left, right) in zip(blocks, blocks.dropFirst()) {
            try hold(!left.range.overlaps(right.range), "\(left) and \(right) overlap")
        }
        let identifiers = world.identifiers.compactMap { $0?.rawValue }
        try hold(Set(identifiers).count == identifiers.count, "an identifier is bound twice at \(now)")
        try hold(identifiers.count == bound, "\(identifiers.count) VMs have one, \(bound) are bound")
    }

    /// With no room left, launches are refused and everything else goes on.
    @Test func anEmptyPoolRefuses() throws {
        var plan = Small.plan(hosts: 2)
        plan.pool = 4096
        var run = try Small.run("warm:0:4", Small.trace([(10, 0, 5000), (100, 0, -5000), (900, 0, 40)]), plan)
        let result = try run.run()
        #expect(result.byClass[LaunchClass.refused.rawValue] == 5000 - 4096)
        #expect(result.launches == 5040)
        #expect(result.byClass[LaunchClass.cold.rawValue] == 4096 / 4 * 4 + 40)
    }
}
