import FleetProtocol
import NetworkTypes
import SNISpace
import SimulationKit
import Testing

@testable import CoordinatorCore

/// Twice as much demand as there are identifiers, and launches and stops going on.
@Suite struct ShortageTests {
    @Test func holdsForAnyDemand() throws {
        try property("shortage", iterations: 6) { generator in
            let world = try ShortageWorld(
                pool: generator.pick(from: [256, 512, 768]) ?? 256, hosts: 3,
                meanLife: Double(generator.integer(in: 120...1200)), generator: generator.fork(1))
            let free = world.book.capacity
            let count = generator.integer(in: 4...12)
            for number in 0..<count {
                let priority = generator.pick(from: PriorityClass.allCases) ?? .batch
                let floor = generator.chance(0.3) ? generator.integer(in: 1...(free / count / 2)) : 0
                let level = generator.integer(in: free / count...free * 3 / count)
                try world.add("app-\(number)", priority, floor: floor, level: level)
            }
            var steps = 0
            try world.run(200) {
                steps += 1
                world.wander()
                if steps % 5 == 0 { try world.judgeAll() }
            }
            try world.close()
        }
    }

}

extension ShortageWorld {
    /// Demand goes up and down, and jobs end as a whole about every 40 minutes; what comes next begins 10 minutes later.
    func wander() {
        for index in tenants.indices {
            let level = tenants[index].level
            if tenants[index].wanted == 0 {
                if generator.chance(0.033) {
                    tenants[index].wanted = level
                    tenants[index].wantsSince = fleet.now
                }
            } else if generator.chance(0.008) {
                endJob(index)
            } else if generator.chance(0.01) {
                tenants[index].wanted = generator.integer(in: level / 2...level)
            }
        }
    }

    func judgeAll() throws {
        try nothingBoundWasTaken()
        try everyShortageIsExplained()
        try nothingIdleIsKept()
        // Whoever was promised a floor is never without launches for long, whatever its class.
        for tenant in tenants where tenant.floor > 0 && tenant.missing > 0 {
            let since = max(tenant.lastLaunch, tenant.wantsSince)
            try hold(fleet.now - since < .seconds(meanLife * 2), "\(tenant.id) has launched nothing since \(since)")
        }
    }
}

/// 4,096 identifiers, 8,000 wanted by 56 applications of three classes, for two and a half hours.
@Suite struct FullShortageTests {
    @Test func fourThousandForEightThousand() throws {
        let world = try ShortageWorld(
            pool: 4096, hosts: 6, meanLife: 900, generator: SeededGenerator(seed: 0x5047))
        for number in 0..<20 {
            try world.add("batch-\(number)", .batch, floor: number < 5 ? 32 : 0, level: 240)
        }
        for number in 0..<20 {
            try world.add("standard-\(number)", .standard, floor: number < 4 ? 48 : 0, level: 200)
        }
        try world.run(60)
        for number in 0..<16 { try world.add("critical-\(number)", .critical, level: 150) }
        var steps = 0
        var wanted = 0
        var sums: [PriorityClass: (runs: Int, wanted: Int)] = [:]
        try world.run(400) {
            steps += 1
            world.wander()
            wanted += world.tenants.reduce(0) { $0 + $1.wanted }
            guard steps % 10 == 0 else { return }
            try world.judgeAll()
            guard steps > 200 else { return }
            for tenant in world.tenants where tenant.wanted > 0 {
                let sum = sums[tenant.priority] ?? (0, 0)
                sums[tenant.priority] = (
                    sum.runs + min(tenant.wanted, tenant.vms.count), sum.wanted + tenant.wanted
                )
            }
        }
        func served(_ priority: PriorityClass) -> Double {
            sums[priority].map { Double($0.runs) / Double($0.wanted) } ?? 0
        }
        print("wanted \(wanted / 400), served \(PriorityClass.allCases.map(served)), \(world.preemptedMarks) marks")
        #expect((7000...9000).contains(wanted / 400))
        #expect(served(.critical) > served(.standard) && served(.standard) > served(.batch))
        #expect(served(.critical) > 0.8)
        #expect(world.preemptedMarks > 100)
        try world.close()
    }
}
