import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct FreezeTests {
    /// A host that leases a block, and a clone of it that said hello while the host still speaks.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let host: HostID
        let other: HostID
        let block: SNIBlock
        let first: FakeAgent
        var second: FakeAgent

        init(sameBoot: Bool = false) throws {
            fleet = try Fleet(hosts: 2)
            fleet.start()
            app = try fleet.application("web")
            host = fleet.names[0]
            other = fleet.names[1]
            block = try #require(fleet.lease(app, on: host, request: 1))
            _ = fleet.lease(app, on: other, request: 1)
            fleet.quiesce()
            first = try #require(fleet.agents[host])
            second = sameBoot ? first : FakeAgent(first, boot: 77)
            second.stream = nil
            if sameBoot { second.fingerprint = "another machine" }
            // The clone speaks, then the first one goes on.
            fleet.agents[host] = second
            fleet.connect(host)
            second = try #require(fleet.agents[host])
            fleet.agents[host] = first
        }

        func speak() { fleet.aggregate(host, [(app, vms: 0, launches: 0)]) }
    }

    @Test(arguments: [false, true]) func secondVoiceFreezesBoth(sameBoot: Bool) throws {
        let scene = try Scene(sameBoot: sameBoot)
        let (fleet, host) = (scene.fleet, scene.host)
        #expect(scene.second.refusal == "boot-conflict" && !scene.second.isGranted)
        #expect(fleet.state(of: host) == .connected, "the second alone may be a reboot")
        scene.speak()
        #expect(fleet.state(of: host) == .frozen)
        #expect(fleet.agents[host]?.stopped == "frozen" && fleet.agents[host]?.isGranted == false)
        #expect(fleet.notices.contains { $0.level == .error && $0.code == "host-frozen" })
        #expect(fleet.findings.contains("host-frozen"))
        // No lease for either, and the second is refused for what it is.
        #expect(fleet.lease(scene.app, on: host, request: 2) == nil)
        #expect(fleet.agents[host]?.answers[2].map { "\($0)".contains("frozen") } == true)
        fleet.disconnect(host)
        fleet.agents[host] = scene.second
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "frozen")
        // The first is joined, without a grant.
        fleet.agents[host] = scene.first
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == false && fleet.agents[host]?.stopped == "frozen")
        #expect(fleet.agents[host]?.leases[scene.block] != nil)
    }

    @Test func aRebootBehindADeadStreamIsNoClone() throws {
        let scene = try Scene()
        scene.fleet.pass(.seconds(21))
        scene.fleet.agents[scene.host] = scene.second
        scene.fleet.connect(scene.host)
        #expect(scene.fleet.agents[scene.host]?.isGranted == true)
        #expect(scene.fleet.state(of: scene.host) == .connected)
    }

    @Test(arguments: [false, true]) func freezeOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene()
        scene.speak()
        let machine = scene.fleet.machine
        try scene.fleet.restart(fromSnapshot: fromSnapshot)
        #expect(scene.fleet.machine.state.safety == machine.state.safety)
        scene.fleet.agents[scene.host] = scene.second
        scene.fleet.connect(scene.host)
        #expect(scene.fleet.agents[scene.host]?.refusal == "frozen")
        #expect(scene.fleet.state(of: scene.host) == .frozen)
    }

    @Test func aFrozenBlockIsNotDrained() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        _ = fleet.command(.reclaim(.identifier(scene.block.first), dryRun: false, reason: "test", force: false))
        let marked = try #require(fleet.agents[host]?.leases[scene.block]).epoch
        scene.speak()
        #expect(fleet.lease(of: scene.block)?.state == .staged, "the mark is taken back")
        #expect(try #require(fleet.lease(of: scene.block)).epoch > marked)
        fleet.say(.drainAnswer(DrainAnswer(block: scene.block, epoch: marked, outcome: .drained)), from: host)
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        guard
            case .reclaim(let items)? = try? fleet.command(
                .reclaim(.identifier(scene.block.first), dryRun: false, reason: "test", force: true)
            ).get()
        else {
            Issue.record("no answer")
            return
        }
        #expect(items.map(\.refusal) == ["host \(host) is frozen"])
    }

    @Test func keepingTheFirstBarsTheSecond() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        scene.speak()
        #expect(fleet.command(.thawHost(host, keep: nil)).isInvalid("keep"))
        #expect(fleet.command(.thawHost(host, keep: "nonsense")).isInvalid("keep"))
        #expect(fleet.command(.thawHost(host, keep: scene.second.identity.boot.description)).isInvalid("keep"))
        _ = try fleet.command(.thawHost(host, keep: scene.first.identity.boot.description)).get()
        #expect(fleet.state(of: host) == .connected && fleet.agents[host]?.isGranted == true)
        #expect(fleet.lease(scene.app, on: host, request: 3) != nil)
        fleet.disconnect(host)
        fleet.pass(.seconds(30))
        fleet.agents[host] = scene.second
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "barred", "also when the first is silent")
        #expect(fleet.command(.thawHost(host, keep: nil)).isInvalid("host"))
    }

    @Test func keepingTheSecondBarsTheFirst() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        scene.speak()
        fleet.disconnect(host)
        _ = try fleet.command(.thawHost(host, keep: scene.second.identity.boot.description)).get()
        fleet.agents[host] = scene.first
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "barred")
        fleet.agents[host] = scene.second
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == true)
    }

    /// A journal that was lost while the old stream still spoke: one machine, one boot, two installations.
    @Test(arguments: [false, true]) func theInstallationDecidesBetweenRivalsOfOneBoot(keepsFirst: Bool) throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let host = fleet.names[0]
        let app = try fleet.application("web")
        _ = fleet.lease(app, on: host, request: 1)
        fleet.quiesce()
        let first = try #require(fleet.agents[host])
        let identity = AgentIdentity(
            host: host, incarnation: Incarnation(UUID128(high: 0x1, low: 99)), boot: first.identity.boot)
        fleet.agents[host] = FakeAgent(identity: identity, vtep: first.vtep)
        fleet.connect(host)
        fleet.agents[host] = first
        fleet.aggregate(host, [(app, vms: 0, launches: 0)])
        #expect(fleet.state(of: host) == .frozen)
        for shared in [first.identity.boot.description, first.fingerprint] {
            #expect(fleet.command(.thawHost(host, keep: shared)).isInvalid("keep"), "both have it")
        }
        if !keepsFirst {
            fleet.disconnect(host)
            fleet.pass(.seconds(21))
        }
        let kept = keepsFirst ? first.identity.incarnation : identity.incarnation
        _ = try fleet.command(.thawHost(host, keep: kept.description)).get()
        #expect(fleet.findings.contains("host-frozen") == false)
        if keepsFirst { #expect(fleet.state(of: host) == .connected && fleet.agents[host]?.isGranted == true) }
        let barred = keepsFirst ? FakeAgent(identity: identity, vtep: first.vtep) : first
        fleet.disconnect(host)
        fleet.agents[host] = barred
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "barred")
    }
}

extension Result where Success == Reply, Failure == CoordinatorError {
    /// Refused because of that field.
    func isInvalid(_ field: String) -> Bool {
        if case .failure(.invalid(let named, _)) = self { named == field } else { false }
    }
}
