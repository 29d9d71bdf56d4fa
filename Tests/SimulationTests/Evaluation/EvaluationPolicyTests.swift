import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import FleetSimulation

@Suite("Evaluation: policies")
struct EvaluationPolicyTests {
    @Test(arguments: EvaluationPlan.Placement.allCases)
    func theOracleHasNoColdLaunch(placement: EvaluationPlan.Placement) throws {
        try property("oracle, \(placement)", iterations: 6) { generator in
            let plan = Small.plan(hosts: generator.integer(in: 1...6), placement: placement, seed: generator.next())
            var run = try Small.run("oracle", Small.random(&generator), plan)
            let result = try run.run()
            try hold(result.launches > 20, "only \(result.launches) launches")
            try hold(
                result.byClass[LaunchClass.staged.rawValue] == result.launches, "by class: \(result.byClass)")
        }
    }

    /// One host, one identifier kept ready in blocks of four, by hand.
    ///
    /// The first block is asked for at the first decision and stands long before zero. Launches at 100 and 200 leave two
    /// ready, the batch at 300 takes both: a block is asked for, to be granted at 310. At 305 a launch finds nothing:
    /// cold, with a block of its own, out of which the last launch, at 400, is served. The one of 310 is surplus at 360,
    /// is past its point of no return 50 ms later, and in the pool again at 420.1.
    @Test func theWarmTargetIsAsComputedByHand() throws {
        let trace = Small.trace([(100, 0, 1), (200, 0, 1), (300, 0, 2), (305, 0, 1), (400, 0, 1)])
        var run = try Small.run("warm:1:4", trace, Small.plan(hosts: 1))
        let result = try run.run()
        #expect(result.byClass == [5, 0, 0, 1, 0])
        let row = result.rows[0]
        /// Time mean of a number of identifiers that holds for so many seconds, and so on.
        func mean(_ parts: [(seconds: Double, count: Double)]) -> Double {
            parts.reduce(0) { $0 + $1.seconds * $1.count } / 1800
        }
        #expect(abs(row.inUse - mean([(100, 0), (100, 1), (100, 2), (5, 4), (95, 5), (1400, 6)])) < 1e-9)
        #expect(abs(row.idle - mean([(100, 4), (100, 3), (100, 2), (5, 4), (95, 7), (20.1, 6), (1379.9, 2)])) < 1e-9)
        let onHosts = mean([(100, 4), (100, 3), (100, 2), (5, 0), (5, 3), (50.05, 7), (39.95, 3), (1400, 2)])
        #expect(abs(row.idleOnHosts - onHosts) < 1e-9)
        #expect(row.requestsPerHour == 3 / 0.5)
        #expect(result.messagesPerLaunch == 0)
    }

    /// A block that is empty is kept for its time, then rests: its identifiers are nobody's no sooner than that.
    @Test func keepAliveEndsAfterItsTime() throws {
        var plan = Small.plan(hosts: 1)
        plan.decisionInterval = .seconds(10)
        var run = try Small.run("keep:300:4", Small.trace([(100, 0, 1), (200, 0, -1)]), plan)
        var owned: [(Instant, Int)] = []
        _ = try run.run { world, now in owned.append((now, world.holdings[0].owned)) }
        for (now, owned) in owned where now != Small.instant(100) {
            // Marked at 500, gone from host and peers 100 ms later, then a quarantine of a minute.
            let isHeld = now > Small.instant(100) && now <= Small.instant(560)
            #expect(owned == (isHeld ? 4 : 0), "at \(now.nanoseconds / 1_000_000_000) s")
        }
    }

    /// Eight reserved from the first decision on. The third block that hosts take leaves less than six: eight again ten
    /// seconds later, in one request.
    @Test func theReserveIsFilledFromLowToHigh() throws {
        let trace = Small.trace([(100, 0, 1), (200, 0, 1), (205, 0, 1)])
        var run = try Small.run("keep:86400:4:6:8", trace, Small.plan(hosts: 3))
        var reserved: [Int: Int] = [:]
        let result = try run.run { world, now in
            reserved[Int(now.nanoseconds / 1_000_000_000)] = world.holdings[0].reserved
        }
        #expect(reserved[0] == 8)
        #expect(reserved[100] == 4)
        #expect(reserved[180] == 8)
        #expect(reserved[200] == 4)
        #expect(reserved[205] == 0)
        #expect(reserved[240] == 8)
        #expect(result.byClass == [0, 0, 3, 0, 0])
        #expect(result.requestsPerHour == 3 / 0.5)
    }

    /// Three hosts, a block each, one after the other: the second is told of one block and tells one peer of its own, the
    /// third of two and two. Each telling is three messages, and so is each of the removals.
    @Test func peersAreToldOfEveryBlock() throws {
        let up = Small.trace([(100, 0, 1), (200, 0, 1), (300, 0, 1)])
        var run = try Small.run("keep:86400:4", up, Small.plan())
        let result = try run.run()
        #expect(result.messagesPerLaunch * 3 == Double(3 * (1 + 1 + 2 + 2)))
        let down = Small.trace([(100, 0, 1), (200, 0, 1), (300, 0, 1), (400, 0, -3)])
        var again = try Small.run("blocks:4", down, Small.plan())
        #expect(try again.run().messagesPerLaunch * 3 == Double(2 * 3 * (1 + 1 + 2 + 2)))
        #expect(result.rows[0].byClass == [0, 0, 0, 3, 0])
    }

    /// What is sampled at the hour: two applications, one on two hosts with two and one blocks, one on the third.
    @Test func tablesAreCounted() throws {
        let trace = Small.trace([(-500, 0, 5), (-400, 1, 1)], applications: 2)
        var plan = Small.plan(hosts: 3)
        plan.hostCapacity = 5
        var run = try Small.run("keep:86400:4", trace, plan)
        let spread = try run.run()
        #expect(spread.routesMax == 2)
        #expect(spread.routes == 2)
        #expect(spread.extents == 1)
        plan.placement = .pack
        var packed = try Small.run("keep:86400:4", trace, plan)
        let result = try packed.run()
        #expect(result.routesMax == 0)
        #expect(result.extents == 1, "two blocks of one application side by side")
    }

    /// What is held stays reserved while no host's share of it is worth a block, and serves any host in one round trip.
    @Test func rowsAreFollowed() throws {
        let csv = "t,app,target,ttl,extra\n0,app-0,8,600,\n1320,app-0,0,300,4\n"
        let choice = PolicyChoice.rows(try PolicyRows(csv: Array(csv.utf8), name: "rows"))
        let plan = Small.plan(hosts: 8, placement: .random)
        let trace = Small.trace([(100, 0, 1), (200, 0, -1), (1400, 0, 1)])
        let workload = EvaluationWorkload(trace, plan: plan)
        var run = try EvaluationRun(workload, plan: plan, policy: choice.policy(for: workload, plan: plan, learnt: []))
        var held: [Int: Int] = [:]
        let result = try run.run { world, now in
            held[Int(now.nanoseconds / 1_000_000_000)] = world.holdings[0].owned + world.holdings[0].requested
        }
        #expect(held[-60] == 0)
        #expect(held[0] == 8)
        #expect(held[780] == 8, "the row is over at 600: a surplus lasts ten minutes")
        #expect(held[1140] == 4, "the block on the host has been empty since 200")
        #expect(held[1260] == 0, "the other four have been too many since 600")
        #expect(held[1320] == 4)
        #expect(result.byClass == [0, 0, 2, 0, 0])
    }
}
