import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation
@testable import Forecasting

@Suite("Placement: habit")
struct PlacementHabitTests {
    /// Whatever the others do: within forty launches it is followed.
    @Test(arguments: [MadeUpOrchestrator.Kind.spreads, .packs, .sticks])
    func anOrchestratorIsRecognised(_ kind: MadeUpOrchestrator.Kind) throws {
        try property("recognised: \(kind)", iterations: 20) { generator in
            let hosts = generator.integer(in: 20...200)
            var orchestrator = MadeUpOrchestrator(kind, hosts: hosts, &generator)
            for launch in 0..<40 { orchestrator.launch(at: start + .seconds(60 * launch), &generator) }
            let (habit, order) = (orchestrator.habit, orchestrator.habit.order)
            try hold(order == kind.order, "it looks like \(order) on \(hosts) hosts")
            let shares = habit.shares(order, hosts: hosts, orchestrator.prior)
            try hold(shares[0] > 0.5, "the first host gets \(shares[0])")
        }
    }

    /// Summed over all hosts: how far what is expected of each is from the same for all.
    private func unevenness(_ habit: PlacementHabit, _ order: PlacementOrder, _ prior: PlacementPrior, hosts: Int)
        -> Double
    {
        let shares = habit.shares(order, hosts: hosts, prior)
        return (0..<hosts).reduce(0) { $0 + abs(shares[RankBin.bin($1)] - 1 / Double(hosts)) } / 2
    }

    @Test func whoDrawsHostsExpectsTheSameOfAll() throws {
        try property("random", iterations: 5) { generator in
            var prior = PlacementPrior()
            var habits: [PlacementHabit] = []
            for _ in 0..<20 {
                var orchestrator = MadeUpOrchestrator(.draws, hosts: 100, prior: prior, &generator)
                for launch in 0..<200 { orchestrator.launch(at: start + .seconds(60 * launch), &generator) }
                prior = orchestrator.prior
                habits.append(orchestrator.habit)
            }
            for order in PlacementOrder.allCases {
                // A new one follows what all have shown.
                let new = unevenness(PlacementHabit(), order, prior, hosts: 100)
                try hold(new < 0.1, "\(order): a new one is \(new) off")
                let mean = habits.reduce(0) { $0 + unevenness($1, order, prior, hosts: 100) } / Double(habits.count)
                try hold(mean < 0.2, "\(order): \(mean) off")
            }
        }
    }

    @Test func sharesAreProbabilities() throws {
        try property("shares", iterations: 30) { generator in
            let hosts = generator.integer(in: 1...400)
            let kind = generator.pick(from: MadeUpOrchestrator.Kind.allCases) ?? .draws
            var orchestrator = MadeUpOrchestrator(kind, hosts: hosts, &generator)
            for launch in 0..<generator.integer(in: 0...300) {
                orchestrator.launch(at: start + .seconds(launch), &generator)
            }
            for order in PlacementOrder.allCases {
                let shares = orchestrator.habit.shares(order, hosts: hosts, orchestrator.prior)
                let sum = (0..<hosts).reduce(0) { $0 + shares[RankBin.bin($1)] }
                try hold(shares.allSatisfy { $0 >= 0 } && sum <= 1.000001, "\(order): \(sum) of one launch")
                // Bins that no host is in keep what they have; with hosts in all of them nothing is lost.
                try hold(hosts <= 128 || sum > 0.999999, "\(order): only \(sum) of one launch")
            }
        }
    }

    @Test func theRateFades() {
        var (habit, prior) = (PlacementHabit(), PlacementPrior())
        #expect(habit.launchesPerHour(at: start) == 0)
        let load = FleetLoad([host("h1"): 0, host("h2"): 0])
        let ranks = PlacementRanks(of: 0, ApplicationLoad([]), load)
        var now = start
        for _ in 0..<6 * 24 * 4 {
            now = now + .seconds(600)
            habit.learn(ranks, hosts: 2, prior: &prior, at: now)
        }
        let steady = habit.launchesPerHour(at: now)
        #expect(abs(steady - 6) < 0.9, "six launches per hour look like \(steady)")
        var last = steady
        for hours in [0.5, 1, 6, 24, 240] {
            let rate = habit.launchesPerHour(at: now + .seconds(3600 * hours))
            #expect(rate < last && rate >= 0)
            last = rate
        }
        #expect(last < 0.01)
        // A clock that goes back changes nothing.
        #expect(habit.launchesPerHour(at: start) == steady)
    }

    /// What decides about one application, after as wild a life as there is.
    @Test func stateOfAnApplicationIsSmall() throws {
        #expect(MemoryLayout<PlacementHabit>.stride == 64)
        let clock = try #require(MarginalClock(interval: .seconds(10)))
        let policy = try MarginalPolicy(costRatio: 50)
        var profile = MarginalProfile(after: -1, phase: 0, clock: clock)
        var generator = SeededGenerator(seed: 3)
        var vms = 0
        for slot in 0..<20_000 {
            let launches = generator.integer(in: 0...400)
            let stops = min(vms, generator.integer(in: 0...400))
            vms += launches - stops
            profile.observe(
                DemandSample(concurrent: vms, peak: vms + stops, launches: launches, stops: stops), at: slot,
                clock: clock, policy: policy)
        }
        let rule = try #require(profile.allocator)
        #expect(rule.bytes > 4096, "the arrays count")
        #expect(rule.bytes + MemoryLayout<PlacementHabit>.stride <= 8192)
    }
}
