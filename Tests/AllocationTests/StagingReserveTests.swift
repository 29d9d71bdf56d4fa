import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Staging: the reserve")
struct StagingReserveTests {
    private static let step = Duration.seconds(300)

    private func world(_ policy: AllocationPolicy = AllocationPolicy(), reserved: Int) -> StagingWorld {
        var generator = SeededGenerator(seed: 1)
        return StagingWorld(policy, hosts: 4, reserved: reserved, &generator)
    }

    @Test func marksFollowTheRootOfTheRateAndWhatIsAsked() {
        func marks(_ rate: Double, _ least: Int = 0) -> [Int] {
            let marks = StagingMarks(rate: rate, worth: 0, least: least)
            return [marks.low, marks.high]
        }
        #expect(marks(0) == [4, 8] && marks(15) == [4, 8])
        #expect(marks(16) == [8, 16] && marks(64) == [16, 32] && marks(1e6) == [16, 32])
        #expect(marks(0, 5) == [8, 8] && marks(0, 100) == [100, 100] && marks(64, -8) == [16, 32])
    }

    /// Steps of five minutes until something goes back to the pool, nothing being expected anywhere.
    private func stepsUntilReturn(_ world: inout StagingWorld, most: Int) -> Int? {
        for step in 0...most {
            let decision = world.decide(world.input(next: 0, advice: advice()))
            if decision.releases.contains(where: { !$0.isRecall }) { return step }
            world.carry(decision, Self.step)
        }
        return nil
    }

    @Test func whatIdlesGoesBackAfterSixIdleHoursAndNotInTheFirstHour() {
        // 12 where 8 are enough: an hour and a half; 72: the first hour decides.
        let eight = AllocationPolicy(floor: 8)
        var few = world(eight, reserved: 12)
        #expect([18, 19].contains(stepsUntilReturn(&few, most: 60)), "six hours are a sum of many")
        var many = world(eight, reserved: 72)
        #expect(stepsUntilReturn(&many, most: 60) == 12)
        var none = world(eight, reserved: 8)
        #expect(stepsUntilReturn(&none, most: 100) == nil)
    }

    @Test func whatIdlesOnHostsGoesBackToo() {
        var world = world(reserved: 8)
        world.add(64, on: host("h1"), idleSince: start)
        #expect(stepsUntilReturn(&world, most: 60) == 12)
        let decision = world.decide(world.input(next: 0, advice: advice()))
        #expect(decision.releases.isEmpty, "what idled is counted anew")
    }

    @Test func theFloorStaysWhenWhatIdlesGoesBack() throws {
        var world = world(AllocationPolicy(floor: 20), reserved: 8)
        world.add(16, on: host("h1"), idleSince: start)
        world.add(16, on: host("h2"), idleSince: start)
        var memory: Int?
        for _ in 0..<40 {
            let decision = world.decide(world.input(next: 0, advice: advice()))
            world.carry(decision, Self.step)
            let free = world.blocks.reduce(0) { $0 + $1.block.size - $1.inUse }
            #expect(free >= 20, "\(free) free identifiers")
            memory = free
        }
        #expect(try #require(memory) < 40, "something went back")
    }

    /// Taking a block back leaves fewer free until it is there: the floor asks for more meanwhile.
    @Test func whatIsOnItsWayBackIsCountedOnce() {
        var world = world(AllocationPolicy(floor: 20), reserved: 0)
        world.add(16, on: host("h1"))
        let input = world.input(next: 0, advice: advice())
        let decision = world.decide(input)
        let taken = decision.releases.reduce(0) { $1.isRecall ? $0 + $1.block.size : $0 }
        #expect(taken == 16)
        #expect(16 + (decision.reserve?.identifiers ?? 0) >= 20, "\(decision.reason)")
    }

    @Test func launchesRefillAtHalfOfTheLowMark() throws {
        let full = world(AllocationPolicy(floor: 8), reserved: 4)
        let kept = try #require(full.follow(full.input(next: 0, advice: advice())))
        #expect(kept.reserve == nil && kept.leases.isEmpty)
        let empty = world(AllocationPolicy(floor: 8), reserved: 0)
        let asked = try #require(empty.follow(empty.input(next: 0, advice: advice())))
        #expect(asked.reserve?.identifiers == 8)
    }

    @Test func aCapHoldsTheReserveBack() {
        for (cap, expected) in [(3, nil), (6, 4), (100, 8)] as [(Int, Int?)] {
            var world = world(AllocationPolicy(floor: 8, cap: cap), reserved: 0)
            let decision = world.decide(world.input(next: 0, advice: advice()))
            #expect(decision.reserve?.identifiers == expected, "cap \(cap)")
        }
    }

    /// Where a launch per hour is worth less than a block, and nobody asks for one, there is no reserve.
    @Test func quietApplicationsKeepNoReserve() {
        let marks = StagingMarks(rate: 0.19, worth: 0.2)
        #expect(marks.low == 0 && marks.high == 0)
        var world = world(reserved: 0)
        #expect(world.decide(world.input(next: 0, advice: advice())).reserve == nil)
    }

    @Test func nextLaunchesAreStagedFirst() {
        var world = world(AllocationPolicy(floor: 8), reserved: 8)
        let decision = world.decide(world.input(next: 2, advice: advice(extra: 2)))
        #expect(decision.leases.map(\.order) == [2, 2], "a block for each of two hosts, below the low mark too")
        #expect(decision.reserve?.identifiers == 8)
    }

    @Test func anActiveHostKeepsItsWatermark() {
        var world = world(AllocationPolicy(lowWatermark: 4), reserved: 16)
        world.add(4, on: host("h1"))
        world.blocks[world.blocks.count - 1].inUse = 2
        for _ in 0..<3 {
            let decision = world.decide(world.input(next: 0, advice: advice()))
            world.carry(decision)
        }
        let ready = world.blocks.reduce(0) { $1.host == host("h1") ? $0 + $1.block.size - $1.inUse : $0 }
        #expect(ready >= 4, "\(ready) ready")
    }

    @Test func withoutAnOutlookNothingIsFollowed() {
        let world = world(reserved: 8)
        var input = world.input(next: 1, advice: advice())
        input.outlook = nil
        #expect(world.follow(input) == nil)
        var reserving = world.input(next: 1, advice: advice())
        reserving.policy.mode = .reserve
        #expect(world.follow(reserving) == nil)
    }
}
