import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct FenceTests {
    /// Three hosts of one application; `a` has a VM and goes silent.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let c: HostID
        let block: SNIBlock

        init() throws {
            var configuration = Fleet.seconds
            configuration.bindUntil = .seconds(100)
            fleet = try Fleet(configuration, hosts: 3)
            fleet.start()
            app = try fleet.application("web")
            (a, b, c) = (fleet.names[0], fleet.names[1], fleet.names[2])
            block = try #require(fleet.lease(app, on: a, request: 1))
            for host in [b, c] { _ = fleet.lease(app, on: host, request: 1) }
            fleet.quiesce()
            try fleet.bind(block.first, of: app, on: a, state: .bound)
            fleet.disconnect(a)
        }

        var vtep: IPAddress { fleet.agents[a]?.vtep ?? .v4(IPv4Address(0)) }

        func fence(_ proof: FenceProof) -> Result<Reply, CoordinatorError> {
            fleet.command(.fenceHost(a, proof: proof, reason: "burnt"))
        }

        func pass(_ seconds: Int) {
            for _ in 0..<seconds {
                fleet.pass(.seconds(1))
                for host in [b, c] where fleet.agents[host]?.stream != nil {
                    fleet.say(.hostReport(HostReport()), from: host)
                }
            }
        }

        func removeEverywhere() {
            for host in [b, c] { fleet.acknowledge(host) }
        }
    }

    @Test func proofOfPowerOffTakesTheLeasesAtOnce() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        let epoch = try #require(fleet.lease(of: scene.block)).epoch
        guard case .host(let info) = try scene.fence(.poweredOff).get() else { return }
        #expect(info.state == .fenced)
        let lease = try #require(fleet.lease(of: scene.block))
        #expect(lease.state == .draining && lease.epoch > epoch)
        #expect(try fleet.machine.virtualMachines().isEmpty)
        #expect(fleet.agents[scene.b]?.remotes[scene.block] == nil)
        #expect(fleet.agents[scene.b]?.dropped == [scene.vtep])
        fleet.acknowledge(scene.b)
        #expect(fleet.lease(of: scene.block)?.state == .draining, "a peer still carries it")
        fleet.acknowledge(scene.c)
        #expect(fleet.lease(of: scene.block)?.state == .quarantined)
        scene.pass(10)
        #expect(fleet.lease(of: scene.block) == nil)
        #expect(fleet.machine.reclaimed(after: 0).map(\.reason) == ["fenced: burnt"])
        #expect(fleet.findings == ["host-fenced"])
    }

    @Test func aHostThatReportsIsNotFenced() throws {
        let scene = try Scene()
        scene.fleet.connect(scene.a)
        #expect(scene.fence(.poweredOff).isInvalid("host"))
        #expect(scene.fleet.command(.fenceHost(scene.b, proof: .cutOff, reason: "")).isInvalid("reason"))
        #expect(scene.fleet.lease(of: scene.block)?.state == .staged)
    }

    @Test func withoutProofPeersDropItAndTimePasses() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        _ = try scene.fence(.cutOff).get()
        #expect(fleet.state(of: scene.a) == .fencing)
        #expect(fleet.agents[scene.b]?.dropped == [scene.vtep])
        #expect(fleet.findings.contains("host-fencing"))
        for host in [scene.b, scene.c] { fleet.acknowledge(host) }
        scene.pass(119)
        #expect(fleet.state(of: scene.a) == .fencing, "bind-until and a margin after the last word")
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        scene.pass(1)
        #expect(fleet.state(of: scene.a) == .fenced)
        #expect(fleet.lease(of: scene.block)?.state == .draining)
    }

    @Test func everyReachablePeerDropsIt() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        _ = try scene.fence(.assumedOff).get()
        fleet.acknowledge(scene.b)
        scene.pass(130)
        #expect(fleet.state(of: scene.a) == .fencing, "a reachable peer may still send to it")
        fleet.acknowledge(scene.c)
        #expect(fleet.state(of: scene.a) == .fenced, "bind-until is the operator's word")
    }

    @Test func aSilentPeerIsExcused() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        _ = try scene.fence(.assumedOff).get()
        fleet.disconnect(scene.c)
        fleet.acknowledge(scene.b)
        #expect(fleet.state(of: scene.a) == .fencing)
        scene.pass(21)
        #expect(fleet.state(of: scene.a) == .fenced)
        fleet.acknowledge(scene.b)
        #expect(fleet.lease(of: scene.block)?.state == .quarantined)
        #expect(fleet.machine.state.safety[scene.c]?.debt?.blocks == [scene.block])
    }

    @Test func aHostThatIsBackInTimeIsNotFenced() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        _ = try scene.fence(.cutOff).get()
        fleet.connect(scene.a)
        #expect(fleet.state(of: scene.a) == .connected && fleet.agents[scene.a]?.isGranted == true)
        #expect(fleet.agents[scene.b]?.dropped == [])
        for host in fleet.names { fleet.acknowledge(host) }
        scene.pass(200)
        #expect(fleet.lease(of: scene.block)?.state == .staged)
    }

    @Test(arguments: [false, true]) func fencingOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene()
        let fleet = scene.fleet
        _ = try scene.fence(.cutOff).get()
        for host in [scene.b, scene.c] { fleet.acknowledge(host) }
        scene.pass(60)
        try fleet.restart(fromSnapshot: fromSnapshot)
        for host in [scene.b, scene.c] { fleet.connect(host) }
        #expect(fleet.state(of: scene.a) == .fencing)
        #expect(fleet.agents[scene.b]?.dropped == [scene.vtep])
        for host in [scene.b, scene.c] { fleet.acknowledge(host) }
        scene.pass(119)
        #expect(fleet.state(of: scene.a) == .fencing, "time starts anew in full")
        scene.pass(1)
        #expect(fleet.state(of: scene.a) == .fenced)
        try fleet.restart(fromSnapshot: fromSnapshot)
        for host in [scene.b, scene.c] { fleet.connect(host) }
        for host in [scene.b, scene.c] { fleet.acknowledge(host) }
        #expect(fleet.lease(of: scene.block)?.state == .quarantined, "nobody waits for the owner")
    }

    // MARK: Return

    @Test(arguments: [false, true]) func aFencedHostWithdrawsAndJoinsAfresh(rebooted: Bool) throws {
        let scene = try Scene()
        let (fleet, a) = (scene.fleet, scene.a)
        _ = try scene.fence(.poweredOff).get()
        scene.removeEverywhere()
        let old = try #require(fleet.agents[a])
        if rebooted {
            var agent = FakeAgent(old, boot: 99)
            (agent.leases, agent.bindings, agent.journal) = (old.leases, old.bindings, old.journal)
            agent.position = old.position
            fleet.agents[a] = agent
        }
        fleet.connect(a)
        #expect(fleet.state(of: a) == .withdrawing)
        let agent = try #require(fleet.agents[a])
        #expect(!agent.isGranted && agent.stopped == "fenced" && agent.withdraws)
        #expect(agent.leases.isEmpty && agent.remotes.isEmpty && agent.scopes.isEmpty)
        #expect(fleet.agents[scene.b]?.dropped == [scene.vtep])
        // Nothing else that it says counts.
        fleet.say(.leaseRequest(LeaseRequest(request: 5, application: scene.app, waiting: 1)), from: a)
        #expect(fleet.agents[a]?.answers[5] == nil)
        try fleet.bind(SessionNetworkID(unchecked: 5000), of: scene.app, on: a, state: .bound)
        #expect(try fleet.machine.virtualMachines().isEmpty)
        fleet.agents[a]?.bindings = [:]
        fleet.acknowledge(a)
        #expect(fleet.state(of: a) == .connected)
        #expect(fleet.agents[a]?.isGranted == true && fleet.agents[a]?.withdraws == false)
        #expect(fleet.agents[scene.b]?.dropped == [])
        #expect(fleet.lease(scene.app, on: a, request: 6) != nil)
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    @Test func oldMessagesOfAFencedHostAreWorthNothing() throws {
        let scene = try Scene()
        let (fleet, a) = (scene.fleet, scene.a)
        let old = try #require(fleet.agents[a])
        _ = try scene.fence(.poweredOff).get()
        fleet.connect(a)
        let snapshot = try #require(fleet.agents[a]).position
        // Of an earlier revision, and of a term that is over.
        fleet.say(.stateAck(old.position), from: a)
        fleet.say(.stateAck(Position(generation: 1, term: 0, revision: snapshot.revision)), from: a)
        #expect(fleet.state(of: a) == .withdrawing)
        let epoch = try #require(old.leases[scene.block]).epoch
        fleet.say(.drainAnswer(DrainAnswer(block: scene.block, epoch: epoch, outcome: .drained)), from: a)
        #expect(fleet.lease(of: scene.block)?.state == .draining)
        fleet.disconnect(a)
        #expect(fleet.state(of: a) == .fenced, "it did not finish")
        fleet.connect(a)
        fleet.acknowledge(a)
        #expect(fleet.state(of: a) == .connected)
    }

    @Test func theBlockOfAFencedHostIsAnothersBeforeItReturns() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        _ = try scene.fence(.poweredOff).get()
        scene.removeEverywhere()
        scene.pass(10)
        #expect(fleet.lease(of: scene.block) == nil)
        var request: UInt64 = 10
        while fleet.lease(of: scene.block)?.host != b, request < 40 {
            request += 1
            _ = fleet.lease(scene.app, on: b, request: request)
        }
        #expect(fleet.lease(of: scene.block)?.host == b)
        fleet.connect(a)
        #expect(fleet.agents[a]?.leases.isEmpty == true && fleet.state(of: a) == .withdrawing)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: scene.block)?.host == b)
    }

    @Test func anotherInstallationTakesTheNameOfAFencedOne() throws {
        let scene = try Scene()
        let (fleet, a) = (scene.fleet, scene.a)
        let old = try #require(fleet.agents[a])
        _ = try scene.fence(.poweredOff).get()
        fleet.agents[a] = FakeAgent(
            identity: AgentIdentity(
                host: a, incarnation: Incarnation(UUID128(high: 9, low: 9)), boot: BootID(UUID128(high: 9, low: 9))),
            vtep: old.vtep)
        fleet.connect(a)
        #expect(fleet.state(of: a) == .connected && fleet.agents[a]?.isGranted == true)
        #expect(fleet.agents[scene.b]?.dropped == [])
        let fresh = fleet.agents[a]
        fleet.agents[a] = old
        fleet.agents[a]?.stream = nil
        fleet.connect(a)
        #expect(fleet.agents[a]?.refusal == "barred")
        fleet.agents[a] = fresh
        scene.removeEverywhere()
        #expect(fleet.lease(of: scene.block)?.state == .quarantined)
    }
}
