import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct MigrationTests {
    /// A VM on `a`, the first identifier of its block; `b` has blocks of the application, `c` has none.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let c: HostID
        let block: SNIBlock
        let sni: SessionNetworkID
        let vm: VMInterface
        var single: SNIBlock { SNIBlock(single: sni) }

        init() throws {
            fleet = try Fleet(hosts: 3)
            fleet.start()
            app = try fleet.application("web")
            (a, b, c) = (fleet.names[0], fleet.names[1], fleet.names[2])
            block = try #require(fleet.lease(app, on: a, request: 1))
            _ = fleet.lease(app, on: b, request: 1)
            fleet.quiesce()
            sni = block.first
            try fleet.bind(sni, of: app, on: a, state: .bound)
            vm = try #require(fleet.agents[a]?.bindings[sni]).interface
        }

        /// - Parameter isHeard: the source has written down that the identifier leaves.
        func migrate(to host: HostID, isHeard: Bool = true) throws -> MigrationInfo {
            defer { if isHeard { fleet.acknowledge(a) } }
            guard case .migration(let info) = try fleet.command(.migrate(vm, to: host)).get() else {
                throw CoordinatorError.notReady
            }
            return info
        }

        func arrive(at host: HostID) throws {
            try fleet.bind(sni, of: app, on: host, state: .bound)
            let epoch = try #require(fleet.agents[host]?.leases[single]).epoch
            fleet.say(.arrived(sni, epoch), from: host)
        }

        var phase: Departure.Phase? { fleet.machine.migrations().first?.migration.phase }
        var sublease: LeaseState? { fleet.machine.state.book.lease(of: single)?.state }

        func end(on host: HostID) throws { try fleet.bind(sni, of: app, on: host, state: .ended) }

        func drain(on host: HostID, _ outcome: DrainAnswer.Outcome = .drained) {
            let epoch = fleet.agents[host]?.leases[single]?.epoch ?? Epoch(0)
            fleet.say(.drainAnswer(DrainAnswer(block: single, epoch: epoch, outcome: outcome)), from: host)
        }

        func clean() {
            for agent in fleet.agents.values { #expect(agent.complaints == []) }
        }
    }

    @Test func wholeMigration() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        #expect(try scene.migrate(to: c).migration.phase == .preparing)
        // The destination learns all of the application; peers have the way ready and don't go it.
        #expect(fleet.agents[c]?.leases[scene.single]?.incoming == scene.vm)
        #expect(fleet.agents[c]?.remotes[scene.block] != nil && fleet.agents[c]?.scopes[scene.app] != nil)
        #expect(fleet.agents[b]?.remotes[scene.single]?.standby == true)
        #expect(fleet.agents[b]?.remotes[scene.single]?.vtep == fleet.agents[c]?.vtep)
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase == .preparing)
        #expect(fleet.agents[a]?.leases[scene.block] != nil)
        fleet.quiesce()
        #expect(scene.sublease == .staged)
        try scene.arrive(at: c)
        #expect(scene.phase == .flipped)
        #expect(fleet.agents[c]?.leases[scene.single]?.incoming == nil)
        #expect(fleet.agents[b]?.remotes[scene.single]?.standby == false)
        #expect(fleet.agents[a]?.remotes[scene.single]?.standby == false)
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase == .flipped)
        try scene.end(on: a)
        fleet.acknowledge(a)
        #expect(scene.phase == .flipped, "a peer may still send to the source")
        fleet.acknowledge(b)
        #expect(scene.phase == .dropped)
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase == .dropped)
        fleet.quiesce()
        #expect(fleet.findings == [])
        #expect(try fleet.machine.virtualMachines().map(\.host) == [c])
        scene.clean()
    }

    @Test func theIdentifierGoesHomeThroughReclamation() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: c)
        try scene.arrive(at: c)
        try scene.end(on: a)
        fleet.quiesce()
        try scene.end(on: c)
        #expect(scene.sublease == .marked)
        scene.drain(on: c)
        #expect(scene.sublease == .draining)
        #expect(fleet.agents[b]?.remotes[scene.single] == nil)
        fleet.acknowledge(c)
        fleet.acknowledge(a)
        #expect(scene.sublease == .draining, "the specific route is still at a peer")
        fleet.acknowledge(b)
        #expect(scene.sublease == .quarantined)
        #expect(fleet.agents[a]?.departures[scene.sni] != nil)
        fleet.pass(.seconds(10))
        #expect(scene.sublease == nil && fleet.machine.migrations().isEmpty)
        #expect(fleet.agents[a]?.departures.isEmpty == true)
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        fleet.quiesce()
        #expect(fleet.findings == [])
        scene.clean()
    }

    /// The source gave its block back before it heard of the flip: what it is told has no route in it.
    @Test func aSourceWithoutItsBlockAcknowledgesTheFlip() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c)
        fleet.quiesce()
        try scene.end(on: a)
        _ = fleet.command(.reclaim(.host(a), dryRun: false, reason: "test", force: false))
        fleet.drain(scene.block, on: a)
        fleet.quiesce()
        #expect(fleet.agents[a]?.scopes.isEmpty == true)
        try scene.arrive(at: c)
        #expect(scene.phase == .flipped)
        fleet.quiesce()
        #expect(scene.phase == .dropped)
        scene.clean()
    }

    @Test func onlyTheDestinationFlipsAndOnlyOnce() throws {
        let scene = try Scene()
        let (fleet, b, c) = (scene.fleet, scene.b, scene.c)
        _ = try scene.migrate(to: c)
        let epoch = try #require(fleet.agents[c]?.leases[scene.single]).epoch
        fleet.say(.arrived(scene.sni, epoch), from: b)
        fleet.say(.arrived(scene.sni, Epoch(epoch.rawValue - 1)), from: c)
        fleet.say(.arrived(scene.sni, Epoch(epoch.rawValue + 9)), from: c)
        #expect(scene.phase == .preparing)
        fleet.say(.arrived(scene.sni, epoch), from: c)
        let count = fleet.log.count
        fleet.say(.arrived(scene.sni, epoch), from: c)
        #expect(scene.phase == .flipped && fleet.log.count == count)
    }

    @Test func wrongMigrationsAreRefused() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        let nobody = try #require(VMInterface(vm: "nobody", nic: 0))
        #expect(fleet.command(.migrate(nobody, to: scene.c)).isInvalid("interface"))
        #expect(fleet.command(.migrate(scene.vm, to: scene.a)).isInvalid("host"))
        let stranger = try #require(HostID("stranger"))
        #expect(fleet.command(.migrate(scene.vm, to: stranger)) == .failure(.unknownHost(stranger)))
        fleet.disconnect(scene.c)
        #expect(fleet.command(.migrate(scene.vm, to: scene.c)).isInvalid("to"))
        #expect(fleet.machine.migrations().isEmpty)
        let first = try scene.migrate(to: scene.b)
        #expect(try scene.migrate(to: scene.b).migration.epoch == first.migration.epoch, "the same wish again")
        #expect(fleet.command(.abortMigration(nobody, reason: "x")).isInvalid("interface"))
    }

    @Test func anAbortLeavesTheVMAtItsSource() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c)
        fleet.quiesce()
        try fleet.bind(scene.sni, of: scene.app, on: c, state: .bound)
        _ = try fleet.command(.abortMigration(scene.vm, reason: "too slow")).get()
        let order = try #require(fleet.agents[c]?.leases[scene.single])
        #expect(order.marked && order.force && order.incoming == scene.vm)
        try scene.end(on: c)
        scene.drain(on: c)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(fleet.machine.migrations().isEmpty && fleet.agents[a]?.departures.isEmpty == true)
        #expect(try fleet.machine.virtualMachines().map(\.host) == [a])
        fleet.quiesce()
        #expect(fleet.findings == [])
        scene.clean()
    }

    /// What the newcomer is told may reach its kernel piece by piece.
    @Test func aFlipWaitsForWhoComesMeanwhile() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: b)
        try scene.arrive(at: b)
        #expect(scene.phase == .flipped)
        _ = fleet.lease(scene.app, on: c, request: 1)
        #expect(fleet.agents[c]?.remotes[scene.single]?.standby == false)
        try scene.end(on: a)
        fleet.acknowledge(a)
        #expect(scene.phase == .flipped && fleet.machine.migrations().first?.waitsFor == [c])
        fleet.acknowledge(c)
        #expect(scene.phase == .dropped)
    }

    @Test func anArrivalBeatsAnAbort() throws {
        let scene = try Scene()
        let (fleet, c) = (scene.fleet, scene.c)
        _ = try scene.migrate(to: c)
        _ = try fleet.command(.abortMigration(scene.vm, reason: "too slow")).get()
        try scene.arrive(at: c)
        #expect(scene.phase == .flipped)
        scene.drain(on: c, .refused(reason: "the VM has arrived", users: [scene.vm]))
        #expect(scene.sublease == .leased || scene.sublease == .staged)
        #expect(fleet.command(.abortMigration(scene.vm, reason: "again")).isInvalid("interface"))
    }

    @Test func anAbortThatNobodyHearsIsRepeated() throws {
        let scene = try Scene()
        let (fleet, c) = (scene.fleet, scene.c)
        _ = try scene.migrate(to: c)
        fleet.quiesce()
        _ = try fleet.command(.abortMigration(scene.vm, reason: "too slow")).get()
        fleet.disconnect(c)
        for _ in 0..<2 { fleet.pass(.seconds(16)) }
        #expect(scene.sublease == .staged, "the mark timed out")
        fleet.connect(c)
        fleet.pass(.seconds(1000))
        fleet.connect(c)
        #expect(fleet.agents[c]?.leases[scene.single]?.marked == true)
    }

    // MARK: Deaths

    private func fence(_ host: HostID, in fleet: Fleet) throws {
        fleet.disconnect(host)
        _ = try fleet.command(.fenceHost(host, proof: .poweredOff, reason: "burnt")).get()
        fleet.quiesce()
        pass(2, in: fleet)
    }

    /// Quarantines, in which everybody who is there speaks.
    private func pass(_ quarantines: Int, in fleet: Fleet) {
        for _ in 0..<quarantines {
            fleet.pass(.seconds(10))
            for name in fleet.names { fleet.say(.hostReport(HostReport()), from: name) }
        }
    }

    @Test func destinationDiesBeforeTheFlip() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: c)
        fleet.quiesce()
        try fence(c, in: fleet)
        #expect(fleet.machine.migrations().isEmpty && scene.sublease == nil)
        #expect(fleet.agents[a]?.departures.isEmpty == true && fleet.agents[b]?.remotes[scene.single] == nil)
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        #expect(try fleet.machine.virtualMachines().map(\.host) == [a], "the source serves on")
        scene.clean()
    }

    @Test func destinationDiesAfterTheFlip() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c)
        try scene.arrive(at: c)
        try scene.end(on: a)
        fleet.quiesce()
        try fence(c, in: fleet)
        #expect(scene.sublease == nil && fleet.agents[a]?.departures.isEmpty == true)
        #expect(fleet.lease(of: scene.block)?.state == .staged)
    }

    @Test func sourceDiesAfterTheFlip() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: c)
        try scene.arrive(at: c)
        fleet.quiesce()
        try fence(a, in: fleet)
        #expect(fleet.lease(of: scene.block)?.state == .quarantined, "not free before what moved out of it")
        #expect(scene.sublease == .staged)
        #expect(fleet.agents[b]?.remotes[scene.single] != nil && fleet.agents[b]?.remotes[scene.block] == nil)
        #expect(try fleet.machine.virtualMachines().map(\.host) == [c])
        // The VM ends; its identifier, then its block, are free.
        try scene.end(on: c)
        scene.drain(on: c)
        fleet.quiesce()
        pass(3, in: fleet)
        #expect(scene.sublease == nil && fleet.lease(of: scene.block) == nil)
        #expect(fleet.machine.state.book.state(of: scene.sni) == .free)
        scene.clean()
    }

    @Test func sourceDiesBeforeTheFlip() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        _ = try scene.migrate(to: c)
        fleet.quiesce()
        fleet.disconnect(a)
        _ = try fleet.command(.fenceHost(a, proof: .poweredOff, reason: "burnt")).get()
        #expect(fleet.agents[c]?.leases[scene.single]?.marked == true, "nobody will arrive")
        scene.drain(on: c)
        fleet.quiesce()
        pass(3, in: fleet)
        #expect(fleet.machine.migrations().isEmpty && fleet.lease(of: scene.block) == nil)
    }

    @Test(arguments: [false, true]) func migrationOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: c)
        try fleet.restart(fromSnapshot: fromSnapshot)
        for host in fleet.names { fleet.connect(host) }
        fleet.quiesce()
        #expect(fleet.agents[c]?.leases[scene.single]?.incoming == scene.vm)
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase == .preparing)
        try scene.arrive(at: c)
        fleet.acknowledge(a)
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(scene.phase == .flipped, "what was heard is not taken as heard")
        for host in fleet.names { fleet.connect(host) }
        for host in [a, c] { fleet.acknowledge(host) }
        #expect(scene.phase == .flipped)
        fleet.acknowledge(b)
        #expect(scene.phase == .dropped)
    }
}
