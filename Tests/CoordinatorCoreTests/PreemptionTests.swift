import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct PreemptionTests {
    /// A pool of 64 identifiers, full of an application of the lowest class on `a`.
    struct Scene {
        let fleet: Fleet
        let low: ApplicationID
        let high: ApplicationID
        let a: HostID
        let b: HostID
        let blocks: [SNIBlock]

        init(leased: Int, floor: Int = 0, priority: PriorityClass = .critical) throws {
            var configuration = Fleet.seconds
            configuration.pool = [SNIRange(unchecked: 4096, count: 64)]
            configuration.chunkSize = 256
            fleet = try Fleet(configuration, hosts: 2)
            fleet.start()
            (a, b) = (fleet.names[0], fleet.names[1])
            low = try fleet.application("low", ApplicationPolicy(priority: .batch, floor: floor))
            high = try fleet.application("high", ApplicationPolicy(priority: priority))
            _ = try fleet.command(
                .allocateRange("low", count: 64, confidence: 1, idempotencyKey: "", lifetime: nil)
            ).get()
            var made: [SNIBlock] = []
            for request in 1...4 where request <= leased {
                made.append(try #require(fleet.lease(low, on: a, request: UInt64(request))))
            }
            blocks = made
            fleet.quiesce()
        }

        var free: Int { fleet.machine.state.book.free }
    }

    @Test func reservedGoesFirstAndAtOnce() throws {
        let scene = try Scene(leased: 2)
        #expect(scene.free == 0)
        #expect(scene.fleet.lease(scene.high, on: scene.b, request: 1) != nil)
        for block in scene.blocks { #expect(scene.fleet.lease(of: block)?.state == .staged) }
        #expect(scene.fleet.notices.contains { $0.code == "preempted" && $0.level == .warning })
    }

    @Test func thenUnboundBlocksThroughTheHandshake() throws {
        let scene = try Scene(leased: 4)
        let fleet = scene.fleet
        for block in scene.blocks.dropFirst() {
            try fleet.bind(block.first, of: scene.low, on: scene.a, state: .bound)
        }
        #expect(fleet.lease(scene.high, on: scene.b, request: 1) == nil)
        #expect(fleet.lease(of: scene.blocks[0])?.state == .marked)
        for block in scene.blocks.dropFirst() { #expect(fleet.lease(of: block)?.state == .staged, "bound") }
        // Asking again takes no more while that is under way.
        #expect(fleet.lease(scene.high, on: scene.b, request: 2) == nil)
        #expect(fleet.machine.state.book.allLeases.count { $0.state == .marked } == 1)
        fleet.drain(scene.blocks[0], on: scene.a)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(fleet.machine.reclaimed(after: 0).map(\.reason) == ["preempted for high"])
        #expect(fleet.lease(scene.high, on: scene.b, request: 3) != nil)
    }

    @Test func aLaunchThatComesFirstWins() throws {
        let scene = try Scene(leased: 4)
        let fleet = scene.fleet
        _ = fleet.lease(scene.high, on: scene.b, request: 1)
        let marked = try #require(fleet.machine.state.book.allLeases.first { $0.state == .marked })
        let refusal = DrainAnswer.Outcome.refused(reason: "a launch came first", users: [])
        fleet.say(
            .drainAnswer(DrainAnswer(block: marked.block, epoch: marked.epoch, outcome: refusal)), from: scene.a)
        #expect(fleet.lease(of: marked.block)?.state == .staged)
        #expect(fleet.lease(of: marked.block)?.application == scene.low)
    }

    @Test func equalsAndFloorsAreLeftAlone() throws {
        let equal = try Scene(leased: 4, priority: .batch)
        #expect(equal.fleet.lease(equal.high, on: equal.b, request: 1) == nil)
        #expect(equal.fleet.machine.state.book.allLeases.allSatisfy { $0.state == .staged })
        let floored = try Scene(leased: 2, floor: 64)
        #expect(floored.fleet.lease(floored.high, on: floored.b, request: 1) == nil)
        #expect(floored.fleet.machine.state.book.owned(by: floored.low) == 64)
    }

    @Test func classesOfAnOldStoreAreLearnt() throws {
        let scene = try Scene(leased: 4)
        scene.fleet.log.removeAll { if case .book(.ranked) = $0 { true } else { false } }
        try scene.fleet.restart()
        #expect(scene.fleet.machine.state.book.rank(of: scene.high) == PriorityClass.critical.rank)
    }
}
