import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SimulationKit
import Testing

@Suite("Allocation properties")
struct AllocationPropertyTests {
    private func draw(_ generator: inout SeededGenerator) -> AllocationInput {
        var blocks: [OwnedBlock] = []
        var hosts: [HostDemand] = []
        for index in 0..<generator.integer(in: 1...6) {
            let name = host("h\(index)")
            var inUse = 0
            var cooling = 0
            for _ in 0..<generator.integer(in: 0...4) {
                let bound = generator.chance(0.4) ? 0 : generator.integer(in: 0...14)
                let resting = generator.chance(0.7) ? 0 : 1
                inUse += bound
                cooling += resting
                blocks.append(
                    OwnedBlock(block: block(blocks.count), host: name, inUse: bound, cooling: resting))
            }
            hosts.append(
                HostDemand(
                    host: name, inUse: inUse, cooling: cooling, pending: generator.integer(in: 0...2),
                    recentLaunches: 20 * generator.unit(), weight: generator.chance(0.1) ? 0 : 1,
                    acceptsLeases: generator.chance(0.9)))
        }
        for _ in 0..<generator.integer(in: 0...4) { blocks.append(OwnedBlock(block: block(blocks.count))) }
        let low = 100 * generator.unit()
        let forecast = UniformForecast(
            state: generator.pick(from: ProfileState.allCases) ?? .ready, low: low,
            high: low + 1 + 80 * generator.unit(), later: 50 * generator.unit())
        let policy = AllocationPolicy(
            priority: generator.pick(from: PriorityClass.allCases) ?? .standard,
            mode: generator.pick(from: PredictionMode.allCases) ?? .stage, floor: generator.integer(in: 0...20),
            cap: generator.chance(0.5) ? nil : generator.integer(in: 0...300))
        return input(
            policy, hosts: hosts, blocks: blocks, pendingElsewhere: generator.integer(in: 0...3),
            forecast: generator.chance(0.1) ? nil : forecast)
    }

    @Test func everyDecisionKeepsTheRules() throws {
        try property("decisions", iterations: 400) { generator in
            var state = draw(&generator)
            var memory = AllocationMemory()
            let allocator = PredictiveAllocator(settings: AllocationSettings())
            for step in 0..<12 {
                let now = start + .seconds(100 * step)
                let decision = allocator.decide(state, memory: &memory, at: now)
                try check(decision, of: state)
                state.hosts.indices.forEach { state.hosts[$0].recentLaunches = 20 * generator.unit() }
            }
        }
    }

    private func check(_ decision: AllocationDecision, of input: AllocationInput) throws {
        let reserved = decision.reserve?.identifiers ?? 0
        try hold(reserved % 16 == 0, "\(reserved) is not whole blocks")
        if let cap = input.policy.cap, reserved > 0 {
            try hold(decision.owned + reserved <= cap, "owns \(decision.owned) + \(reserved), cap \(cap)")
        }
        let leases = decision.shares.reduce(0) { $0 + $1.lease }
        let unleased = input.blocks.filter { $0.host == nil }.count
        try hold(leases * 16 <= unleased * 16 + reserved, "\(leases) leases out of \(unleased) blocks + \(reserved)")
        for (share, demand) in zip(decision.shares, input.hosts.sorted { $0.host < $1.host }) {
            try hold(share.host == demand.host, "shares are by host")
            try hold(demand.acceptsLeases || share.lease == 0, "\(share.host) accepts nothing")
        }
        try hold(
            decision.target >= decision.inUse + decision.cooling + decision.pending + input.policy.floor,
            "target \(decision.target) is below the reactive rule")
        var seen: Set<SNIBlock> = []
        for release in decision.releases {
            try hold(seen.insert(release.block).inserted, "\(release.block) is released twice")
            let owned = try #require(input.blocks.first { $0.block == release.block })
            try hold(owned.inUse == 0 && owned.cooling == 0, "\(release.block) is in use")
            let share = decision.shares.first { $0.host == owned.host }
            try hold(share.map { $0.held > $0.wanted } ?? true, "releases and leases on \(release.host as Any)")
        }
        try hold(zip(decision.releases, decision.releases.dropFirst()).allSatisfy { $0.after <= $1.after }, "unordered")
        try hold(!decision.reason.isEmpty, "no reason")
    }

    @Test func aForecastNeverTakesAway() throws {
        try property("forecasts only add", iterations: 400) { generator in
            var with = draw(&generator)
            with.policy.cap = nil
            var without = with
            without.forecast = nil
            let (more, less) = (decide(with), decide(without))
            try hold(more.target >= less.target, "\(more.target) < \(less.target)")
            try hold(zip(more.shares, less.shares).allSatisfy { $0.wanted >= $1.wanted }, "\(more) against \(less)")
        }
    }

    @Test func apportioningIsExactAndFair() throws {
        try property("largest remainder", iterations: 500) { generator in
            let weights = (0..<generator.integer(in: 1...12)).map { _ in generator.chance(0.2) ? 0 : generator.unit() }
            let total = generator.integer(in: 0...500)
            let parts = apportion(total, weights: weights)
            try hold(parts.reduce(0, +) == total, "\(parts) is not \(total)")
            let sum = weights.reduce(0, +)
            guard sum > 0 else { return }
            for (part, weight) in zip(parts, weights) {
                try hold(
                    abs(Double(part) - Double(total) * weight / sum) < 1, "\(part) of \(total) for \(weight)/\(sum)")
            }
        }
        #expect(apportion(5, weights: [0, 0]) == [3, 2])
        #expect(apportion(7, weights: [1, 1, 1]) == [3, 2, 2])
        #expect(apportion(3, weights: []) == [])
        #expect(apportion(3, weights: [.nan, 1, -2]) == [0, 3, 0])
    }

    @Test func launchesFadeByHalfEachHalfLife() {
        var count = DecayedCount(halfLife: .seconds(60))
        #expect(count.value(at: start) == 0)
        count.add(8, at: start)
        #expect(count.value(at: start + .seconds(60)) == 4)
        #expect(abs(count.value(at: start + .seconds(90)) - 2.828) < 0.01)
        count.add(4, at: start + .seconds(60))
        #expect(count.value(at: start + .seconds(120)) == 4)
        #expect(count.value(at: start + .seconds(86_400)) == 0)
        // A clock step backwards fades nothing and does not crash.
        #expect(count.value(at: Instant(nanoseconds: -5)) == 8)
    }
}
