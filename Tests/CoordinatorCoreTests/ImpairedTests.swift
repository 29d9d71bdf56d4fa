import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// A host whose journal cannot be written takes nothing in and says so.
@Suite struct ImpairedTests {
    private static let report = AgentMessage.hostReport(HostReport(journalFailure: "no space left on device"))

    @Test func nobodyWaitsForAnImpairedHost() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (host, other) = (fleet.names[0], fleet.names[1])
        let block = try #require(fleet.lease(app, on: host, request: 1))
        _ = fleet.lease(app, on: other, request: 1)
        fleet.quiesce()
        let fresh = try #require(fleet.lease(app, on: other, request: 2))
        #expect(fleet.lease(of: fresh)?.state == .leased, "the host has not acknowledged it")
        fleet.say(Self.report, from: host)
        #expect(fleet.state(of: host) == .impaired)
        #expect(fleet.lease(of: fresh)?.state == .staged)
        let info = try #require(fleet.machine.hosts(at: fleet.now).first { $0.id == host })
        #expect(info.reason.contains("no space left on device") && info.reason.contains("restart its agent"))
        #expect(fleet.lease(app, on: host, request: 3) == nil)
        // What it leases is kept however long it takes.
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        for _ in 0..<10 {
            fleet.pass(.seconds(8))
            for name in fleet.names { fleet.say(name == host ? Self.report : .hostReport(HostReport()), from: name) }
        }
        #expect(fleet.state(of: host) == .impaired && fleet.lease(of: block) != nil)
        // A removal goes on without it, as its debt.
        _ = fleet.command(.reclaim(.identifier(fresh.first), dryRun: false, reason: "test", force: false))
        fleet.drain(fresh, on: other)
        fleet.acknowledge(other)
        #expect(fleet.lease(of: fresh)?.state == .quarantined)
        #expect(fleet.machine.state.safety[host]?.debt?.blocks == [fresh])
        fleet.disconnect(host)
        fleet.connect(host)
        #expect(fleet.state(of: host) == .repaying)
        fleet.acknowledge(host)
        #expect(fleet.state(of: host) == .connected)
    }

    /// It lives: whoever speaks under its name is no reboot, however long its journal stays broken.
    @Test func aRivalOfAnImpairedHostIsSeen() throws {
        let scene = try FreezeTests.Scene()
        let (fleet, host) = (scene.fleet, scene.host)
        fleet.say(Self.report, from: host)
        #expect(fleet.state(of: host) == .frozen)
        for _ in 0..<10 {
            fleet.pass(.seconds(8))
            fleet.say(Self.report, from: host)
        }
        fleet.agents[host] = scene.second
        fleet.connect(host)
        #expect(fleet.agents[host]?.isGranted == false && fleet.agents[host]?.refusal != nil)
    }
}
