import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// A destination gets its lease after the source has written down that the identifier leaves: until then the source may
/// give it to another VM.
@Suite struct DepartureTests {
    typealias Scene = MigrationTests.Scene

    @Test func theDestinationWaitsForTheSource() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        let info = try scene.migrate(to: c, isHeard: false)
        #expect(info.waitsFor == [a])
        for host in [b, c] { fleet.acknowledge(host) }
        #expect(fleet.agents[a]?.departures[scene.sni] != nil)
        #expect(fleet.agents[c]?.leases[scene.single] == nil)
        fleet.acknowledge(a)
        #expect(fleet.agents[c]?.leases[scene.single]?.incoming == scene.vm)
        #expect(fleet.machine.migrations().first?.waitsFor == [])
        fleet.quiesce()
        #expect(scene.sublease == .staged && fleet.findings == [])
        scene.clean()
    }

    /// The VM ended before the source heard of its departure, and its identifier is another's.
    @Test func anIdentifierThatIsAnothersDoesNotLeave() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c, isHeard: false)
        try scene.end(on: a)
        let other = try #require(VMInterface(vm: "another", nic: 0))
        let record = BindingRecord(
            sni: scene.sni, interface: other, application: scene.app, state: .bound, servedFrom: .staged,
            epoch: Epoch(1))
        fleet.agents[a]?.journal += 1
        fleet.agents[a]?.bindings[scene.sni] = record
        let sequence = try #require(fleet.agents[a]).journal
        fleet.say(.bindingReport(BindingReport(journalSequence: sequence, events: [record])), from: a)
        fleet.quiesce()
        #expect(fleet.machine.migrations().allSatisfy { $0.migration.isAborted })
        #expect(fleet.agents[c]?.leases[scene.single] == nil)
        fleet.pass(.seconds(10))
        fleet.quiesce()
        #expect(fleet.machine.migrations().isEmpty && fleet.agents[a]?.departures.isEmpty == true)
        #expect(fleet.findings == [])
        scene.clean()
    }

    /// Nothing was told to the destination, so nobody waits for its word.
    @Test func anAbortBeforeTheSourceHeardNeedsNoDestination() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c, isHeard: false)
        fleet.disconnect(c)
        _ = try fleet.command(.abortMigration(scene.vm, reason: "too slow")).get()
        fleet.quiesce()
        #expect(scene.sublease == .quarantined)
        fleet.pass(.seconds(10))
        #expect(fleet.machine.migrations().isEmpty)
        fleet.acknowledge(a)
        #expect(try fleet.machine.virtualMachines().map(\.host) == [a])
        scene.clean()
    }

    /// By hand as well.
    @Test func aReclaimBeforeTheSourceHeardEndsIt() throws {
        let scene = try Scene()
        let (fleet, c) = (scene.fleet, scene.c)
        _ = try scene.migrate(to: c, isHeard: false)
        _ = try fleet.command(.reclaim(.identifier(scene.sni), dryRun: false, reason: "mine", force: true)).get()
        #expect(scene.sublease == .draining && fleet.agents[c]?.leases[scene.single] == nil)
    }

    /// A new coordinator asks the source again, unless the store says that it was heard.
    @Test(arguments: [false, true]) func theWaitOutlivesTheCoordinator(isHeard: Bool) throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c, isHeard: isHeard)
        try fleet.restart()
        fleet.connect(c)
        fleet.acknowledge(c)
        #expect((fleet.agents[c]?.leases[scene.single] != nil) == isHeard)
        fleet.connect(a)
        fleet.acknowledge(a)
        #expect(fleet.agents[c]?.leases[scene.single]?.incoming == scene.vm)
        fleet.quiesce()
        scene.clean()
    }
}
