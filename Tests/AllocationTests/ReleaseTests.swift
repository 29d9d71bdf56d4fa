import Allocation
import Forecasting
import NetworkTypes
import Testing

@Suite("Release schedule")
struct ReleaseTests {
    private let allocator = PredictiveAllocator(settings: AllocationSettings())

    private func run(
        _ inputs: [(AllocationInput, Int)], memory: inout AllocationMemory
    ) -> [AllocationDecision] {
        inputs.map { allocator.decide($0, memory: &memory, at: start + .seconds($1)) }
    }

    private func idle(_ count: Int, forecast: (any DemandForecast)? = nil) -> AllocationInput {
        input(
            hosts: [HostDemand(host: host("h1"), inUse: 4)],
            blocks: leased("h1", 0..<count, inUse: 4), forecast: forecast)
    }

    @Test func aSurplusIsAnnouncedFirstAndReleasedAfterTheHold() {
        var memory = AllocationMemory()
        let decisions = run([(idle(3), 0), (idle(3), 300), (idle(3), 600)], memory: &memory)
        #expect(decisions[0].releases.map(\.after) == [.seconds(600), .seconds(600)])
        #expect(decisions[0].releases.map(\.block) == [block(2), block(1)])
        #expect(decisions[1].releases.map(\.after) == [.seconds(300), .seconds(300)])
        #expect(decisions[2].releases.map(\.after) == [.zero, .zero])
        #expect(decisions[2].releases[0].host == host("h1"))
        #expect(decisions[0].releases[0].reason.contains("host h1 holds 3 blocks and needs 1"))
        #expect(decisions[2].reason.contains("release 2 blocks"))
    }

    @Test func demandThatReturnsWithinTheHoldKeepsEverything() {
        var memory = AllocationMemory()
        let busy = input(
            hosts: [HostDemand(host: host("h1"), inUse: 40)], blocks: leased("h1", 0..<3, inUse: 40))
        let decisions = run([(idle(3), 0), (busy, 300), (idle(3), 600), (idle(3), 1199)], memory: &memory)
        #expect(decisions.map { $0.releases.map(\.after).first } == [.seconds(600), nil, .seconds(600), .seconds(1)])
        #expect(run([(idle(3), 1200)], memory: &memory)[0].releases.map(\.after) == [.zero, .zero])
    }

    @Test func fallsToTheLargestWishOfTheHold() {
        var memory = AllocationMemory()
        let half = input(
            hosts: [HostDemand(host: host("h1"), inUse: 20)], blocks: leased("h1", 0..<4, inUse: 20))
        let decisions = run([(idle(4), 0), (half, 300), (idle(4), 600)], memory: &memory)
        // One, then two blocks were wished for: two are released at the end of the hold, one more is planned.
        #expect(decisions[2].releases.map(\.after) == [.zero, .zero, .seconds(600)])
    }

    @Test func nothingIsReleasedThatTheForecastAsksBack() {
        let forecast = UniformForecast(low: 4, high: 5, later: 40)
        var memory = AllocationMemory()
        let decisions = run(
            (0...20).map { (idle(3, forecast: forecast), $0 * 60) }, memory: &memory)
        #expect(decisions.allSatisfy { $0.releases.isEmpty })
        let quiet = UniformForecast(low: 4, high: 5)
        var other = AllocationMemory()
        let released = run((0...20).map { (idle(3, forecast: quiet), $0 * 60) }, memory: &other)
        #expect(released.contains { $0.releases.contains { $0.after == .zero } })
    }

    @Test func neverABlockInUseOrCoolingLongestIdleFirst() {
        var blocks = leased("h1", 0..<5)
        blocks[1].inUse = 1
        blocks[2].cooling = 1
        blocks[3].idleSince = start + .seconds(50)
        blocks[0].idleSince = start + .seconds(10)
        blocks[4].idleSince = start + .seconds(30)
        let state = input(hosts: [HostDemand(host: host("h1"), inUse: 1, cooling: 1)], blocks: blocks)
        var memory = AllocationMemory()
        let decisions = run([(state, 0), (state, 600)], memory: &memory)
        // Four of five are surplus, three of them idle.
        #expect(decisions[1].releases.map(\.block) == [block(0), block(4), block(3)])
        #expect(decisions[1].releases.allSatisfy { $0.after == .zero })
    }

    @Test func theUnleasedReserveIsGivenBackToo() {
        let state = input(
            hosts: [HostDemand(host: host("h1"), inUse: 15)],
            blocks: leased("h1", 0..<1, inUse: 15) + [
                OwnedBlock(block: block(1)), OwnedBlock(block: block(2)), OwnedBlock(block: block(3)),
            ])
        var memory = AllocationMemory()
        let decisions = run([(state, 0), (state, 600)], memory: &memory)
        // The lowest one is on its way to the host.
        #expect(decisions[1].shares.map(\.lease) == [1])
        #expect(decisions[1].releases.map(\.block) == [block(3), block(2)])
        #expect(decisions[1].releases.allSatisfy { $0.host == nil && $0.after == .zero })
    }
}
