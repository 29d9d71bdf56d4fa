import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct DebtTests {
    /// Two hosts of one application; `b` goes silent, and a block of `a` is removed without it.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let block: SNIBlock

        /// - Parameter silentFirst: the silence ends before the removal begins, not while it waits.
        init(silentFirst: Bool) throws {
            fleet = try Fleet(hosts: 3)
            fleet.start()
            app = try fleet.application("web")
            (a, b) = (fleet.names[0], fleet.names[1])
            block = try #require(fleet.lease(app, on: a, request: 1))
            _ = fleet.lease(app, on: b, request: 1)
            _ = fleet.lease(app, on: a, request: 2)
            fleet.quiesce()
            fleet.disconnect(b)
            if silentFirst { silence() }
            _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
            fleet.drain(block, on: a)
            fleet.acknowledge(a)
            if !silentFirst {
                #expect(fleet.lease(of: block)?.state == .draining, "an absent host is waited for at first")
                silence()
            }
        }

        func silence() {
            for _ in 0..<3 {
                fleet.pass(.seconds(8))
                for host in fleet.names where host != b { fleet.say(.hostReport(HostReport()), from: host) }
            }
        }
    }

    @Test(arguments: [false, true]) func removalWithoutAHostIsItsDebt(silentFirst: Bool) throws {
        let scene = try Scene(silentFirst: silentFirst)
        let (fleet, b) = (scene.fleet, scene.b)
        #expect([.quarantined, nil].contains(fleet.lease(of: scene.block)?.state))
        #expect(fleet.machine.state.safety[b]?.debt?.blocks == [scene.block])
        #expect(fleet.findings.contains("peer-debt"))
        fleet.connect(b)
        #expect(fleet.state(of: b) == .repaying)
        #expect(fleet.agents[b]?.isGranted == true, "what it leases it may bind")
        #expect(fleet.agents[b]?.remotes[scene.block] == nil)
        #expect(fleet.lease(scene.app, on: b, request: 9) == nil)
        // Nobody waits for it: a fresh block is staged without it.
        let fresh = try #require(fleet.lease(scene.app, on: scene.a, request: 3))
        #expect(fleet.lease(of: fresh)?.state == .staged)
        fleet.acknowledge(b)
        #expect(fleet.state(of: b) == .connected)
        #expect(fleet.machine.state.safety[b] == nil)
        #expect(fleet.lease(scene.app, on: b, request: 10) != nil)
        #expect(!fleet.findings.contains("peer-debt"))
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    @Test func removalMeanwhileLengthensTheDebt() throws {
        let scene = try Scene(silentFirst: true)
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        fleet.connect(b)
        let snapshot = try #require(fleet.agents[b]).position
        let other = try #require(fleet.agents[a]?.leases.keys.first)
        _ = fleet.command(.reclaim(.identifier(other.first), dryRun: false, reason: "test", force: false))
        fleet.drain(other, on: a)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: other)?.state == .quarantined, "not waited for")
        #expect(fleet.machine.state.safety[b]?.debt?.blocks.contains(other) == true)
        fleet.say(.stateAck(snapshot), from: b)
        #expect(fleet.state(of: b) == .repaying, "the snapshot did not say the last of it")
        fleet.acknowledge(b)
        #expect(fleet.state(of: b) == .connected)
    }

    @Test(arguments: [false, true]) func debtOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene(silentFirst: true)
        let (fleet, b) = (scene.fleet, scene.b)
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(fleet.machine.state.safety[b]?.debt?.blocks == [scene.block])
        for host in fleet.names where host != b { fleet.connect(host) }
        fleet.quiesce()
        // The new coordinator does not wait for who was not waited for.
        let fresh = try #require(fleet.lease(scene.app, on: scene.a, request: 5))
        #expect(fleet.lease(of: fresh)?.state == .staged)
        fleet.connect(b)
        #expect(fleet.state(of: b) == .repaying)
        // A stream that ends without the acknowledgement repays nothing.
        fleet.disconnect(b)
        #expect(fleet.state(of: b) == .unreachable)
        fleet.connect(b)
        fleet.acknowledge(b)
        #expect(fleet.state(of: b) == .connected)
    }

    /// A flip that began while a host repaid goes on without it until it counts again, and waits for it from then on:
    /// what that host sends meanwhile still goes to the source.
    @Test func flipsWaitForWhoHasRepaid() throws {
        let scene = try Scene(silentFirst: true)
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        let c = fleet.names[2]
        let sni = try #require(fleet.agents[a]?.leases.keys.first).first
        try fleet.bind(sni, of: scene.app, on: a, state: .bound)
        let vm = try #require(fleet.agents[a]?.bindings[sni]).interface
        _ = try fleet.command(.migrate(vm, to: c)).get()
        fleet.acknowledge(a)
        fleet.connect(b)
        let snapshot = try #require(fleet.agents[b]).position
        try fleet.bind(sni, of: scene.app, on: c, state: .bound)
        let epoch = try #require(fleet.agents[c]?.leases[SNIBlock(single: sni)]).epoch
        fleet.say(.arrived(sni, epoch), from: c)
        fleet.say(.stateAck(snapshot), from: b)
        #expect(fleet.state(of: b) == .connected)
        for host in [a, c] { fleet.acknowledge(host) }
        #expect(fleet.machine.migrations().first?.migration.phase == .flipped, "\(b) may still send to the source")
        #expect(fleet.machine.migrations().first?.waitsFor == [b])
        fleet.acknowledge(b)
        #expect(fleet.machine.migrations().first?.migration.phase == .dropped)
    }
}
