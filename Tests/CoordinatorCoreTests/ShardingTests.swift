import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct ShardingTests {
    private func document(_ fleet: Fleet, excluding: [SNIRange]) -> ShardingConfiguration {
        var document = fleet.machine.sharding()
        document.version += 1
        document.excluding = excluding
        return document
    }

    @Test func whatNobodyUsesLeavesThroughTheHandshakeAndTheRestLater() throws {
        var configuration = Fleet.seconds
        // Nobody is silent for so long here that it counts as gone.
        configuration.unreachableAfter = .seconds(100_000)
        let scene = try ReclamationTests.Scene(configuration)
        let fleet = scene.fleet
        let used = try #require(fleet.machine.leases().first { $0.host == scene.b }).block
        try fleet.bind(used.first, of: scene.app, on: scene.b, state: .bound)
        let ranges = [scene.block.range, used.range].sorted()
        let reply = try fleet.command(.applySharding(document(fleet, excluding: ranges))).get()
        guard case .sharding(let difference, let left) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(difference.excluded.reduce(0) { $0 + $1.count } == 32 && left == 32)
        #expect(scene.state == .marked)
        #expect(fleet.lease(of: used)?.state == .staged)
        fleet.drain(scene.block, on: scene.a)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(scene.state == nil && fleet.machine.state.book.excludingLeft == 16)
        // The next decision finds the other one unused.
        try fleet.bind(used.first, of: scene.app, on: scene.b, state: .ended)
        fleet.pass(.seconds(1000))
        #expect(fleet.lease(of: used)?.state == .marked)
        fleet.drain(used, on: scene.b)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(fleet.machine.state.book.excludingLeft == 0)
        #expect(fleet.machine.check(at: fleet.now).findings == [])
    }

    @Test(arguments: [false, true]) func theDocumentSurvivesARestart(fromSnapshot: Bool) throws {
        let fleet = try Fleet()
        fleet.start()
        #expect(fleet.machine.sharding().version == 1)
        var second = document(fleet, excluding: [SNIRange(unchecked: 9000, count: 500)])
        second.thresholds.hotAbove = 8
        _ = try fleet.command(.applySharding(second)).get()
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(fleet.machine.sharding() == second)
        #expect(fleet.command(.applySharding(second)) == .failure(.staleSharding(version: 2, inForce: 2)))
    }

    @Test func refusedDocumentsChangeNothing() throws {
        let scene = try ReclamationTests.Scene()
        let fleet = scene.fleet
        let before = fleet.machine.snapshot()
        func refuse(_ error: CoordinatorError, _ change: (inout ShardingConfiguration) -> Void) {
            var other = document(fleet, excluding: [SNIRange(unchecked: 9000, count: 500)])
            change(&other)
            #expect(fleet.command(.applySharding(other)) == .failure(error))
        }
        refuse(.newerSharding(found: 2, supported: 1)) { $0.format = 2 }
        refuse(.anotherPool(field: "key")) { $0.keyFingerprint += 1 }
        refuse(.outsidePool(SNIRange(unchecked: 100, count: 4))) { $0.excluding = [SNIRange(unchecked: 100, count: 4)] }
        refuse(.invalid(field: "range", why: "9000-9008 and 9008-9009 share identifiers")) {
            $0.excluding = [SNIRange(unchecked: 9008, count: 2), SNIRange(unchecked: 9000, count: 9)]
        }
        #expect(throws: CoordinatorError.newerSharding(found: 7, supported: 1)) {
            var other = document(fleet, excluding: [])
            other.format = 7
            _ = try fleet.machine.shardingDifference(to: other)
        }
        #expect(fleet.machine.snapshot() == before)
        try fleet.restart(restoredFromBackup: true)
        #expect(
            fleet.command(.applySharding(document(fleet, excluding: [])))
                == .failure(.restoring(awaited: fleet.names)))
    }
}
