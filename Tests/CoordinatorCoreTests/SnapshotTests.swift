import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// What happens while the first snapshot of a new coordinator is on its way to a host.
@Suite struct SnapshotTests {
    /// The host may carry anything until it acknowledges, so it is waited for; its snapshot says that the block is gone,
    /// and no later update names it.
    @Test func aBlockThatDrainsMeanwhileWaitsForTheSnapshotOnly() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let block = try #require(fleet.lease(app, on: a, request: 1))
        fleet.quiesce()
        try fleet.restart()
        for host in fleet.names { fleet.connect(host) }
        fleet.acknowledge(a)
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        fleet.drain(block, on: a)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: block)?.state == .draining, "what this host carries is not known yet")
        fleet.acknowledge(b)
        #expect(fleet.lease(of: block)?.state == .quarantined)
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }
}
