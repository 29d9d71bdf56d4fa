import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct ReclamationTests {
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let block: SNIBlock

        init(_ configuration: CoordinatorConfiguration = Fleet.seconds) throws {
            fleet = try Fleet(configuration)
            fleet.start()
            app = try fleet.application("web")
            (a, b) = (fleet.names[0], fleet.names[1])
            _ = fleet.lease(app, on: b, request: 1)
            block = try #require(fleet.lease(app, on: a, request: 1))
            fleet.quiesce()
        }

        func reclaim(dryRun: Bool = false, force: Bool = false) throws -> [ReclaimItem] {
            let command = Command.reclaim(.identifier(block.last), dryRun: dryRun, reason: "test", force: force)
            guard case .reclaim(let items) = try fleet.command(command).get() else { return [] }
            return items
        }

        func answer(_ outcome: DrainAnswer.Outcome, epoch: Epoch? = nil) {
            let marked = epoch ?? fleet.agents[a]?.leases[block]?.epoch ?? Epoch(0)
            fleet.say(.drainAnswer(DrainAnswer(block: block, epoch: marked, outcome: outcome)), from: a)
        }

        var state: LeaseState? { fleet.lease(of: block)?.state }
    }

    @Test func wholeHandshake() throws {
        let scene = try Scene()
        let granted = try #require(scene.fleet.agents[scene.a]?.leases[scene.block]).epoch
        #expect(try scene.reclaim().map(\.accepted) == [true])
        let order = try #require(scene.fleet.agents[scene.a]?.leases[scene.block])
        #expect(order.marked && order.epoch > granted)
        scene.answer(.drained)
        #expect(scene.state == .draining)
        #expect(scene.fleet.agents[scene.a]?.leases[scene.block] == nil)
        #expect(scene.fleet.agents[scene.b]?.remotes[scene.block] == nil)
        #expect(
            scene.fleet.agents[scene.b]?.scopes[scene.app]?.ranges.contains { $0.overlaps(scene.block.range) } == false)
        scene.fleet.acknowledge(scene.a)
        #expect(scene.state == .draining, "a peer still carries it")
        scene.fleet.acknowledge(scene.b)
        #expect(scene.state == .quarantined)
        scene.fleet.pass(.seconds(9))
        #expect(scene.state == .quarantined)
        scene.fleet.pass(.seconds(1))
        #expect(scene.state == nil)
        #expect(scene.fleet.machine.reclaimed(after: 0).map(\.block) == [scene.block])
        #expect(scene.fleet.machine.check(at: scene.fleet.now).findings == [])
        for agent in scene.fleet.agents.values { #expect(agent.complaints == []) }
    }

    @Test func dryRunChangesNothing() throws {
        let scene = try Scene()
        let count = scene.fleet.log.count
        #expect(try scene.reclaim(dryRun: true).map(\.block) == [scene.block])
        #expect(scene.fleet.log.count == count && scene.state == .staged)
    }

    @Test func usersAreNamedAndProtected() throws {
        let scene = try Scene()
        try scene.fleet.bind(scene.block.first, of: scene.app, on: scene.a, state: .bound)
        let items = try scene.reclaim()
        #expect(items.map(\.accepted) == [false])
        #expect(items.first?.users.map(\.vm) == ["vm-\(scene.block.first)"])
        #expect(scene.state == .staged)
        #expect(scene.fleet.command(.deleteApplication("web")) == .failure(.refused(users: items[0].users)))
        #expect(try scene.reclaim(force: true).map(\.accepted) == [true])
        #expect(scene.fleet.agents[scene.a]?.leases[scene.block]?.force == true)
    }

    @Test func launchThatWonAbortsTheMark() throws {
        let scene = try Scene()
        _ = try scene.reclaim()
        let marked = try #require(scene.fleet.agents[scene.a]?.leases[scene.block]).epoch
        scene.answer(.refused(reason: "in use", users: []))
        #expect(scene.state == .staged)
        let order = try #require(scene.fleet.agents[scene.a]?.leases[scene.block])
        #expect(!order.marked && order.epoch > marked && order.staged)
        // The late answer to the old mark is nobody's any more.
        scene.answer(.drained, epoch: marked)
        #expect(scene.state == .staged)
    }

    @Test func markWithoutAnswerIsAborted() throws {
        let scene = try Scene()
        _ = try scene.reclaim()
        for _ in 0..<3 {
            scene.fleet.pass(.seconds(5))
            scene.fleet.quiesce()
        }
        #expect(scene.state == .staged)
        #expect(scene.fleet.agents[scene.a]?.leases[scene.block]?.marked == false)
    }

    @Test func silentOwnerKeepsItsBlockForEver() throws {
        let scene = try Scene()
        _ = try scene.reclaim()
        scene.answer(.drained)
        scene.fleet.disconnect(scene.a)
        for _ in 0..<20 {
            scene.fleet.acknowledge(scene.b)
            scene.fleet.pass(.seconds(5))
        }
        #expect(scene.state == .draining)
        #expect(scene.fleet.machine.check(at: scene.fleet.now).findings.contains { $0.code == "removal-waits" })
        scene.fleet.connect(scene.a)
        #expect(scene.fleet.agents[scene.a]?.leases[scene.block] == nil)
        scene.fleet.quiesce()
        #expect(scene.state == .quarantined)
    }

    @Test func unreachablePeerOwesASnapshotAndBlocksNothing() throws {
        let scene = try Scene()
        scene.fleet.disconnect(scene.b)
        _ = try scene.reclaim()
        scene.answer(.drained)
        scene.fleet.acknowledge(scene.a)
        #expect(scene.state == .draining)
        for _ in 0..<5 {
            scene.fleet.pass(.seconds(5))
            scene.fleet.acknowledge(scene.a)
        }
        #expect(scene.state == .quarantined)
        scene.fleet.connect(scene.b)
        #expect(scene.fleet.agents[scene.b]?.remotes[scene.block] == nil)
    }

    @Test func drainJournalledWhileAwayIsTakenFromTheHello() throws {
        let scene = try Scene()
        _ = try scene.reclaim()
        scene.fleet.disconnect(scene.a)
        scene.fleet.connect(scene.a)
        scene.answer(.drained)
        #expect(scene.state == .draining)
        scene.fleet.quiesce()
        #expect(scene.state == .quarantined)
    }

    /// A host that loses sight of an application with its own hello still carries the others' blocks until it has
    /// acknowledged the snapshot.
    @Test func whatASnapshotLeavesOutIsWaitedFor() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let own = try #require(fleet.lease(app, on: a, request: 1))
        let other = try #require(fleet.lease(app, on: b, request: 1))
        fleet.quiesce()
        #expect(fleet.agents[a]?.remotes[other] != nil)
        _ = fleet.command(.reclaim(.application("web"), dryRun: false, reason: "test", force: false))
        fleet.quiesce()
        fleet.disconnect(a)
        fleet.agents[a]?.drained = [own]
        fleet.connect(a)
        #expect(fleet.agents[a]?.remotes.isEmpty == true && fleet.lease(of: own)?.state == .draining)
        fleet.drain(other, on: b)
        fleet.acknowledge(b)
        #expect(fleet.lease(of: other)?.state == .draining, "its kernel may still send there")
        fleet.acknowledge(a)
        #expect(fleet.lease(of: other)?.state == .quarantined)
    }

    @Test func reservationExpiryStartsTheHandshake() throws {
        let scene = try Scene()
        for _ in 0..<100 {
            scene.fleet.pass(.seconds(5))
            scene.fleet.quiesce()
        }
        #expect(scene.fleet.agents[scene.a]?.leases[scene.block]?.marked == true)
        #expect(try scene.fleet.machine.reservations(at: scene.fleet.now).isEmpty)
    }

    @Test func deletedApplicationGoesWithItsLastBlock() throws {
        let scene = try Scene()
        guard case .application(let info) = try scene.fleet.command(.deleteApplication("web")).get() else { return }
        #expect(info.deleting)
        #expect(scene.fleet.lease(scene.app, on: scene.a, request: 9) == nil)
        for host in [scene.a, scene.b] {
            for lease in scene.fleet.agents[host]?.leases.values.map({ $0 }) ?? [] where lease.marked {
                scene.fleet.say(
                    .drainAnswer(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: .drained)), from: host)
            }
        }
        scene.fleet.quiesce()
        scene.fleet.pass(.seconds(10))
        #expect(scene.fleet.machine.applications().isEmpty)
        #expect(scene.fleet.machine.status(at: scene.fleet.now).free == 65_536)
        #expect(scene.fleet.agents.values.allSatisfy { $0.scopes.isEmpty && $0.leases.isEmpty && $0.remotes.isEmpty })
        // The name is free again.
        #expect(try scene.fleet.application("web") != scene.app)
        for agent in scene.fleet.agents.values { #expect(agent.complaints == []) }
    }
}
