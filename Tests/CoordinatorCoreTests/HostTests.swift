import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct HostTests {
    @Test func grantNamesTheInstallation() throws {
        let fleet = try Fleet()
        fleet.start()
        for agent in fleet.agents.values { #expect(agent.isGranted && agent.refusal == nil) }
        #expect(fleet.machine.hosts(at: fleet.now).map(\.state) == [.connected, .connected, .connected])
    }

    @Test func secondMachineUnderOneNameIsRefusedWhileTheFirstReports() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let host = fleet.names[0]
        let first = try #require(fleet.agents[host])
        fleet.agents[host] = FakeAgent(first, boot: 77)
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "boot-conflict")
        #expect(fleet.notices.contains { $0.level == .error && $0.code == "boot-conflict" })
        #expect(fleet.state(of: host) == .connected)
        // Once the first is silent it is a reboot.
        fleet.pass(.seconds(21))
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == true)
    }

    @Test func rebootAfterACleanEndIsGranted() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let host = fleet.names[0]
        fleet.disconnect(host)
        fleet.agents[host] = FakeAgent(try #require(fleet.agents[host]), boot: 78)
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == true)
    }

    @Test func journalBehindIsRefused() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        let block = try #require(fleet.lease(app, on: host, request: 1))
        try fleet.bind(block.first, of: app, on: host, state: .bound)
        #expect(fleet.agents[host]?.reported == 1)
        fleet.disconnect(host)
        fleet.agents[host]?.journal = 0
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "journal-behind")
    }

    @Test func foreignIncarnationIsRefusedWhileThereAreLeases() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        _ = fleet.lease(app, on: host, request: 1)
        fleet.disconnect(host)
        let old = try #require(fleet.agents[host])
        fleet.agents[host] = FakeAgent(
            identity: AgentIdentity(
                host: host, incarnation: Incarnation(UUID128(high: 5, low: 5)), boot: old.identity.boot),
            vtep: old.vtep)
        fleet.connect(host)
        #expect(fleet.agents[host]?.refusal == "incarnation-conflict")
        #expect(fleet.machine.hosts(at: fleet.now).first?.state == .refused)
    }

    @Test func vtepAndMTUAreChecked() throws {
        let fleet = try Fleet(hosts: 3)
        fleet.connect(fleet.names[0])
        let taken = try #require(fleet.agents[fleet.names[0]]).vtep
        fleet.agents[fleet.names[1]]?.vtep = taken
        fleet.agents[fleet.names[2]]?.mtu = 1499
        fleet.connect(fleet.names[1])
        fleet.connect(fleet.names[2])
        #expect(fleet.agents[fleet.names[1]]?.refusal == "vtep-taken")
        #expect(fleet.agents[fleet.names[2]]?.refusal == "mtu-too-small")
    }

    /// No packet has addresses of two families, and one over IPv6 is 20 bytes longer.
    @Test func endpointsAreOfOneFamily() throws {
        let fleet = try Fleet(hosts: 4)
        func endpoint(_ low: UInt64) -> IPAddress { .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: low)) }
        fleet.agents[fleet.names[0]]?.vtep = endpoint(1)
        fleet.agents[fleet.names[0]]?.mtu = 1519
        fleet.connect(fleet.names[0])
        #expect(fleet.agents[fleet.names[0]]?.refusal == "mtu-too-small")
        fleet.agents[fleet.names[1]]?.vtep = endpoint(2)
        fleet.agents[fleet.names[1]]?.mtu = 1520
        fleet.connect(fleet.names[1])
        #expect(fleet.agents[fleet.names[1]]?.refusal == nil)
        fleet.connect(fleet.names[2])
        #expect(fleet.agents[fleet.names[2]]?.refusal == "vtep-family")
        fleet.agents[fleet.names[3]]?.vtep = endpoint(2)
        fleet.agents[fleet.names[3]]?.mtu = 9000
        fleet.connect(fleet.names[3])
        #expect(fleet.agents[fleet.names[3]]?.refusal == "vtep-taken")
    }

    @Test func recoveringAgentGetsNoGrant() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.agents[fleet.names[0]]?.recovering = true
        fleet.connect(fleet.names[0])
        #expect(fleet.agents[fleet.names[0]]?.refusal == "journal-behind")
    }

    @Test func aHostThatNeverJoinedIsWaitedForByNobody() throws {
        let fleet = try Fleet(hosts: 2)
        let (a, b) = (fleet.names[0], fleet.names[1])
        fleet.connect(a)
        fleet.agents[b]?.mtu = 1000
        fleet.connect(b)
        #expect(fleet.agents[b]?.refusal == "mtu-too-small")
        let app = try fleet.application("web")
        let block = try #require(fleet.lease(app, on: a, request: 1))
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        fleet.drain(block, on: a)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: block)?.state == .quarantined)
    }

    @Test func launchesAreCountedOnce() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        let block = try #require(fleet.lease(app, on: host, request: 1))
        try fleet.bind(block.first, of: app, on: host, state: .bound)
        // The same report again, and an inventory of the same: not another launch.
        let record = try #require(fleet.agents[host]?.bindings[block.first])
        fleet.say(.bindingReport(BindingReport(journalSequence: 1, events: [record])), from: host)
        fleet.disconnect(host)
        fleet.connect(host)
        #expect(fleet.machine.status(at: fleet.now).launches.reserved == 1)
        #expect(fleet.machine.status(at: fleet.now).bound == 1)
        try fleet.bind(block.first, of: app, on: host, state: .ended)
        #expect(fleet.machine.status(at: fleet.now).bound == 0)
        #expect(try fleet.machine.virtualMachines().isEmpty)
    }

    @Test func bindingOutsideEveryLeaseIsAFinding() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        try fleet.bind(SessionNetworkID(unchecked: 5000), of: app, on: fleet.names[0], state: .bound)
        #expect(fleet.machine.check(at: fleet.now).findings.map(\.code) == ["binding-without-lease"])
    }
}
