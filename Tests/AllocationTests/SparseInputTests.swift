import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Inputs without hosts of which nothing is known")
struct SparseInputTests {
    private func draw(_ generator: inout SeededGenerator) -> AllocationInput {
        let isQuiet = generator.chance(0.4)
        var blocks: [OwnedBlock] = []
        var hosts: [HostDemand] = []
        for index in 0..<generator.integer(in: 1...20) {
            let name = host("h\(index)")
            var demand = HostDemand(host: name, acceptsLeases: generator.chance(0.9))
            if generator.chance(0.3) {
                let inUse = isQuiet ? 0 : generator.integer(in: 0...14)
                blocks.append(OwnedBlock(block: block(blocks.count), host: name, inUse: inUse))
                demand.inUse = inUse
            }
            if !isQuiet, generator.chance(0.2) { demand.recentLaunches = 9 * generator.unit() }
            hosts.append(demand)
        }
        for _ in 0..<generator.integer(in: 0...3) { blocks.append(OwnedBlock(block: block(blocks.count))) }
        let low = generator.chance(0.4) ? 0 : 60 * generator.unit()
        let forecast = UniformForecast(low: low, high: low + (low > 0 ? 20 : 0.1))
        let policy = AllocationPolicy(
            mode: generator.pick(from: PredictionMode.allCases) ?? .stage,
            floor: generator.chance(0.6) ? 0 : generator.integer(in: 1...30))
        return input(
            policy, hosts: hosts, blocks: blocks, pendingElsewhere: generator.chance(0.8) ? 0 : 2,
            forecast: generator.chance(0.5) ? nil : forecast)
    }

    @Test func aSparseInputDecidesAsTheFullOne() throws {
        let allocator = PredictiveAllocator(settings: AllocationSettings())
        var (left, whole) = (0, 0)
        try property("sparse", iterations: 600) { generator in
            let full = draw(&generator)
            var sparse = full
            sparse.hosts.removeAll { demand in
                demand.recentLaunches == 0 && !full.blocks.contains { $0.host == demand.host }
            }
            guard !allocator.concernsEveryHost(sparse) else {
                whole += 1
                return
            }
            left += full.hosts.count - sparse.hosts.count
            let (one, other) = (decide(sparse), decide(full))
            try hold(one.reserve == other.reserve && one.leases == other.leases, "\(one), not \(other)")
            try hold(one.releases == other.releases && one.target == other.target, "\(one), not \(other)")
            try hold(one.floor == other.floor && one.reason == other.reason, "\(one), not \(other)")
            let nothing = HostShare(host: full.hosts[0].host, held: 0, wanted: 0)
            for share in other.shares where !one.shares.contains(share) {
                try hold(share.held == nothing.held && share.wanted == nothing.wanted, "\(share) was left out")
            }
        }
        #expect(left > 0 && whole > 0, "both kinds were drawn")
    }

    @Test func hostsWithoutAnythingShareWhatNobodyElseAsksFor() {
        let allocator = PredictiveAllocator(settings: AllocationSettings())
        #expect(!allocator.concernsEveryHost(input(hosts: [])))
        #expect(allocator.concernsEveryHost(input(AllocationPolicy(floor: 1), hosts: [])))
        #expect(allocator.concernsEveryHost(input(hosts: [], pendingElsewhere: 1)))
        let rising = UniformForecast(low: 10, high: 20)
        #expect(allocator.concernsEveryHost(input(hosts: [], forecast: rising)))
        let running = HostDemand(host: host("h1"), inUse: 1)
        #expect(!allocator.concernsEveryHost(input(AllocationPolicy(floor: 1), hosts: [running], forecast: rising)))
        let closed = HostDemand(host: host("h1"), inUse: 1, acceptsLeases: false)
        #expect(allocator.concernsEveryHost(input(AllocationPolicy(floor: 1), hosts: [closed])))
    }
}
