import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct ReplaceTests {
    /// A host with a VM; another installation says hello under its name.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let host: HostID
        let block: SNIBlock
        let old: FakeAgent

        init() throws {
            fleet = try Fleet(hosts: 2)
            fleet.start()
            app = try fleet.application("web")
            host = fleet.names[0]
            block = try #require(fleet.lease(app, on: host, request: 1))
            _ = fleet.lease(app, on: fleet.names[1], request: 1)
            fleet.quiesce()
            try fleet.bind(block.first, of: app, on: host, state: .bound)
            fleet.disconnect(host)
            old = try #require(fleet.agents[host])
        }

        func installed(_ number: UInt64) -> FakeAgent {
            FakeAgent(
                identity: AgentIdentity(
                    host: host, incarnation: Incarnation(UUID128(high: 9, low: number)),
                    boot: BootID(UUID128(high: 9, low: number))), vtep: old.vtep)
        }

        func replace() -> Result<Reply, CoordinatorError> {
            fleet.command(.replaceHost(host, reason: "new disk"))
        }
    }

    @Test func lostJournalWithVMsIsAdopted() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        var agent = scene.installed(1)
        agent.recovering = true
        agent.bindings = scene.old.bindings
        fleet.agents[host] = agent
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "incarnation-conflict")
        let lease = fleet.lease(of: scene.block)
        _ = try scene.replace().get()
        #expect(fleet.lease(of: scene.block) == lease, "nothing of it is taken")
        fleet.connect(host)
        #expect(fleet.state(of: host) == .recovering)
        #expect(fleet.agents[host]?.leases[scene.block] != nil)
        #expect(fleet.lease(of: scene.block)?.bound == 1)
        #expect(fleet.lease(scene.app, on: host, request: 2) == nil, "nothing new before it is resolved")
        fleet.quiesce()
        #expect(fleet.findings == [])
        // A restart of its agent before the resolution is not refused again.
        fleet.disconnect(host)
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == nil)
        fleet.disconnect(host)
        fleet.agents[host]?.recovering = false
        fleet.connect(host)
        #expect(fleet.state(of: host) == .connected)
        #expect(fleet.lease(scene.app, on: host, request: 3) != nil)
        // The acceptance was for this once.
        fleet.disconnect(host)
        fleet.agents[host]?.recovering = true
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "journal-behind")
    }

    @Test func reimagedHostIsFencedAndJoinsWithNothing() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        fleet.agents[host] = scene.installed(1)
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "incarnation-conflict")
        #expect(fleet.lease(of: scene.block)?.state == .staged)
        _ = try scene.replace().get()
        #expect(fleet.lease(of: scene.block)?.state == .draining)
        fleet.connect(host)
        #expect(fleet.state(of: host) == .connected && fleet.agents[host]?.isGranted == true)
        #expect(fleet.agents[host]?.leases.isEmpty == true)
        fleet.quiesce()
        #expect(fleet.lease(of: scene.block)?.state == .quarantined)
        // The old disk, should it ever run again.
        fleet.disconnect(host)
        fleet.agents[host] = scene.old
        fleet.agents[host]?.stream = nil
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "barred")
    }

    @Test func oldCopyOfAJournalIsAdopted() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        fleet.agents[host]?.journal = 0
        fleet.agents[host]?.bindings = [:]
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "journal-behind")
        _ = try scene.replace().get()
        fleet.connect(host)
        #expect(fleet.agents[host]?.stopped == "journal-behind")
        #expect(fleet.lease(scene.app, on: host, request: 2) == nil)
        // The agent takes its journal for lost and says so.
        fleet.disconnect(host)
        fleet.agents[host]?.recovering = true
        fleet.agents[host]?.bindings = scene.old.bindings
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == true && fleet.state(of: host) == .recovering)
        #expect(fleet.lease(of: scene.block)?.bound == 1)
    }

    @Test(arguments: [false, true]) func acceptanceOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        fleet.agents[host] = scene.installed(1)
        fleet.connect(host)
        _ = try scene.replace().get()
        try fleet.restart(fromSnapshot: fromSnapshot)
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == true)
    }

    @Test func onlyARefusedMachineIsAcceptedAndOnlyWhileTheOtherIsSilent() throws {
        let scene = try Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        #expect(scene.replace().isInvalid("host"))
        fleet.connect(host)
        let first = fleet.agents[host]
        fleet.agents[host] = scene.installed(1)
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "boot-conflict")
        fleet.agents[host] = first
        #expect(scene.replace().isInvalid("host"))
        #expect(fleet.lease(of: scene.block)?.state == .staged)
    }
}
