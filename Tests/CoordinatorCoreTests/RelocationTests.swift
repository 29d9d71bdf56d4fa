import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// A host's tunnel endpoint changes: who is told what, in which order.
@Suite struct RelocationTests {
    /// Three hosts of one application, and one that has nothing to do with it; `a` comes back with another endpoint.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let c: HostID
        let stranger: HostID
        let block: SNIBlock
        let old: IPAddress
        static let fresh = IPAddress.v4(IPv4Address(0x0A00_00FE))

        init() throws {
            fleet = try Fleet(hosts: 4)
            fleet.start()
            app = try fleet.application("web")
            (a, b, c, stranger) = (fleet.names[0], fleet.names[1], fleet.names[2], fleet.names[3])
            block = try #require(fleet.lease(app, on: a, request: 1))
            for host in [b, c] { _ = fleet.lease(app, on: host, request: 1) }
            fleet.quiesce()
            old = try #require(fleet.agents[a]).vtep
        }

        /// The agent of `a` starts with another configuration.
        func change(to vtep: IPAddress = Scene.fresh, inUse: Bool = true) {
            fleet.disconnect(a)
            let used = fleet.agents[a]?.former ?? fleet.agents[a]?.vtep
            fleet.agents[a]?.former = inUse ? used : nil
            fleet.agents[a]?.vtep = vtep
            fleet.connect(a)
        }

        func remote(at host: HostID) -> RemoteBlock? { fleet.agents[host]?.remotes[block] }
        var info: HostInfo? { fleet.machine.hosts(at: fleet.now).first { $0.id == a } }
        func expectNoComplaint() { for agent in fleet.agents.values { #expect(agent.complaints == []) } }
    }

    @Test func everyPeerTakesTheNewOneBeforeItIsSentFromAndTheOldOneUntilThen() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        scene.change()
        for peer in [b, c] {
            #expect(scene.remote(at: peer)?.vtep == Scene.fresh && scene.remote(at: peer)?.former == scene.old)
        }
        #expect(scene.info?.former == scene.old && scene.info?.awaited == [b, c])
        fleet.acknowledge(a)
        fleet.acknowledge(b)
        #expect(fleet.agents[a]?.former == scene.old, "one peer would drop what comes from the new one")
        #expect(scene.info?.awaited == [c])
        fleet.acknowledge(c)
        #expect(fleet.agents[a]?.former == nil, "now it is told")
        for peer in [b, c] { #expect(scene.remote(at: peer)?.former == scene.old, "its kernel may not have followed") }
        fleet.acknowledge(a)
        for peer in [b, c] {
            #expect(scene.remote(at: peer)?.vtep == Scene.fresh && scene.remote(at: peer)?.former == nil)
        }
        #expect(scene.info?.former == nil && scene.info?.vtep == Scene.fresh)
        fleet.quiesce()
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        scene.expectNoComplaint()
    }

    @Test func aPeerThatIsNotReachableIsWaitedFor() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        fleet.disconnect(c)
        for _ in 0..<30 {
            fleet.pass(.seconds(1))
            for host in [a, b] { fleet.say(.hostReport(HostReport()), from: host) }
        }
        scene.change()
        fleet.quiesce()
        #expect(fleet.agents[a]?.former == scene.old && scene.info?.awaited == [c], "its VMs run on")
        fleet.connect(c)
        #expect(scene.remote(at: c)?.former == scene.old)
        fleet.quiesce()
        #expect(fleet.agents[a]?.former == nil && scene.info?.former == nil)
        #expect(scene.remote(at: c)?.former == nil)
        scene.expectNoComplaint()
    }

    @Test func aFencedPeerIsNotWaitedFor() throws {
        let scene = try Scene()
        let (fleet, a, c) = (scene.fleet, scene.a, scene.c)
        fleet.disconnect(c)
        scene.change()
        fleet.quiesce()
        #expect(scene.info?.awaited == [c])
        _ = fleet.command(.fenceHost(c, proof: .poweredOff, reason: "burnt"))
        fleet.quiesce()
        #expect(fleet.agents[a]?.former == nil && scene.info?.former == nil)
        scene.expectNoComplaint()
    }

    @Test func aFenceInTheMiddleCutsBothEndpointsOff() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        scene.change()
        fleet.disconnect(scene.a)
        _ = fleet.command(.fenceHost(scene.a, proof: .poweredOff, reason: "burnt"))
        #expect(fleet.agents[scene.b]?.dropped == [scene.old, Scene.fresh])
    }

    @Test(arguments: [false, true]) func theCoordinatorsRestartStartsTheWaitAnew(fromSnapshot: Bool) throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        scene.change()
        fleet.acknowledge(b)
        try fleet.restart(fromSnapshot: fromSnapshot)
        for host in fleet.names where host != c { fleet.connect(host) }
        for _ in 0..<4 { for host in fleet.names where host != c { fleet.acknowledge(host) } }
        #expect(fleet.agents[a]?.former == scene.old && scene.info?.awaited == [c])
        fleet.connect(c)
        fleet.quiesce()
        #expect(fleet.agents[a]?.former == nil && scene.info?.former == nil)
        scene.expectNoComplaint()
    }

    /// The configuration is taken back, or changed again, while peers are still being told.
    @Test func aSecondChangeReplacesTheFirst() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        scene.change()
        fleet.acknowledge(b)
        let third = IPAddress.v4(IPv4Address(0x0A00_00FD))
        scene.change(to: third)
        #expect(scene.remote(at: b)?.vtep == third && scene.remote(at: b)?.former == scene.old)
        fleet.acknowledge(c)
        #expect(fleet.agents[a]?.former == scene.old, "b has acknowledged the endpoint before this one")
        scene.change(to: scene.old, inUse: false)
        #expect(scene.remote(at: b)?.vtep == scene.old && scene.remote(at: b)?.former == nil)
        fleet.quiesce()
        #expect(scene.info?.former == nil && scene.info?.awaited == [])
        scene.expectNoComplaint()
    }

    /// A peer that leases its first block of the application in the middle of it.
    @Test func whoComesLaterKnowsBothAndIsNotWaitedFor() throws {
        let scene = try Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        scene.change()
        _ = fleet.lease(scene.app, on: scene.stranger, request: 1)
        #expect(scene.remote(at: scene.stranger)?.former == scene.old)
        for host in [a, b, c] { fleet.acknowledge(host) }
        #expect(fleet.agents[a]?.former == nil)
        fleet.quiesce()
        #expect(scene.remote(at: scene.stranger)?.former == nil)
        scene.expectNoComplaint()
    }

    @Test func nobodyElseGetsAnAddressThatIsStillSentFrom() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        scene.change()
        fleet.disconnect(scene.stranger)
        fleet.agents[scene.stranger]?.vtep = scene.old
        fleet.connect(scene.stranger)
        #expect(fleet.agents[scene.stranger]?.refusal == "vtep-taken")
        fleet.quiesce()
        fleet.connect(scene.stranger)
        #expect(fleet.agents[scene.stranger]?.refusal == nil)
    }

    @Test func aHostWithoutPeersSwitchesAtOnce() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let a = fleet.names[0]
        fleet.disconnect(a)
        let old = fleet.agents[a]?.vtep
        fleet.agents[a]?.former = old
        fleet.agents[a]?.vtep = Scene.fresh
        fleet.connect(a)
        #expect(fleet.agents[a]?.former == nil, "the snapshot says so")
        fleet.quiesce()
        #expect(fleet.machine.hosts(at: fleet.now).first { $0.id == a }?.former == nil)
    }
}
