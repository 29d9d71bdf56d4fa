import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// What the echoes of hosts make of staged blocks.
@Suite struct PathTests {
    @Test func aSilentPathMakesTheBlocksOfBothPartial() throws {
        let fleet = try Fleet(hosts: 4)
        fleet.start()
        let app = try fleet.application("web")
        let other = try fleet.application("db")
        let (a, b, c, d) = (fleet.names[0], fleet.names[1], fleet.names[2], fleet.names[3])
        for host in [a, b, c] { _ = fleet.lease(app, on: host, request: 1) }
        _ = fleet.lease(other, on: d, request: 1)
        fleet.quiesce()
        func silent() throws -> [[HostID]] { try fleet.machine.leases().map(\.silentPeers) }
        func counts() -> [Int] {
            let status = fleet.machine.status(at: fleet.now)
            return [status.blocksStaged, status.blocksPartial]
        }
        #expect(try silent() == [[], [], [], []] && counts() == [4, 0])
        let vteps = try [a, b, c, d].map { try #require(fleet.agents[$0]).vtep }
        // Said by one end only: c does not hear b. It says the same of d, with which it has nothing to do.
        fleet.say(.hostReport(HostReport(paths: 2, silentPaths: [vteps[1], vteps[3]])), from: c)
        let leases = try fleet.machine.leases()
        for lease in leases {
            let expected: [HostID] = lease.host == b ? [c] : lease.host == c ? [b] : []
            #expect(lease.silentPeers == expected, "\(lease.host)")
            #expect(lease.state == .staged)
        }
        #expect(counts() == [2, 2])
        let findings = fleet.machine.check(at: fleet.now).findings.filter { $0.code == "path-silent" }
        #expect(findings.map(\.object) == ["hosts \(b) and \(c)", "hosts \(c) and \(d)"])
        fleet.say(.hostReport(HostReport(paths: 2)), from: c)
        #expect(counts() == [4, 0])
        // What a host that is gone said last is no news.
        fleet.say(.hostReport(HostReport(paths: 2, silentPaths: [vteps[1]])), from: c)
        fleet.disconnect(c)
        #expect(counts() == [4, 0])
    }
}
