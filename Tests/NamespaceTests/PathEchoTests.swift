import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// Acknowledged kernels are not yet a working path: echoes through the tunnel tell `staged` from `staged-partial`.
@Suite(.serialized)
struct PathEchoTests {
    private struct Leases: Decodable {
        struct Lease: Decodable {
            var host: String
            var state: String
            var silentPeers: [String]?
        }
        var leases: [Lease]?
    }
    private struct Totals: Decodable {
        var blocksStaged: Int?
        var blocksStagedPartial: Int?
    }

    private static func states(_ bed: TestBed) throws(KitError) -> Set<String> {
        Set((try bed.cluster.control(Leases.self, ["lease", "list"]).leases ?? []).map(\.state))
    }

    private static func waitFor(_ state: String, _ bed: TestBed) throws {
        try bed.cluster.waitUntil("every block is \(state)", timeout: .seconds(20), every: .milliseconds(50)) {
            () throws(KitError) in try states(bed) == ["LEASE_STATE_\(state)"]
        }
    }

    @Test(arguments: [Underlay.Endpoints.ipv4, .ipv6, .loopback4])
    func aPathThatCarriesNothingOrTooLittleIsSeen(endpoints: Underlay.Endpoints) async throws {
        try await TestBed.run("echo\(endpoints.rawValue)", endpoints: endpoints) { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            #expect(near.reaches(far.ipv4, within: .seconds(5)))
            try Self.waitFor("STAGED", bed)
            let (host, peer) = (bed.cluster.hosts[0], bed.cluster.hosts[1])
            try bed.cluster.waitUntil("the path is known", timeout: .seconds(5)) { () throws(KitError) in
                let plane = try bed.socket(host).status().dataplane
                return plane?.paths == 1 && plane?.silentPaths == []
            }

            // A firewall of the peer that nobody told the agents of.
            try Command.run(
                [
                    "nft",
                    "add table inet firewall; add chain inet firewall in { type filter hook input priority 10; }; "
                        + "add rule inet firewall in udp dport 4789 drop",
                ], namespace: peer.namespace)
            try Self.waitFor("STAGED_PARTIAL", bed)
            let leases = try bed.cluster.control(Leases.self, ["lease", "list"]).leases ?? []
            #expect(Set(leases.map { $0.host + " " + ($0.silentPeers ?? []).joined() }) == ["h1 h2", "h2 h1"])
            let totals = try bed.cluster.control(Totals.self, ["status"])
            #expect(totals.blocksStagedPartial == leases.count && totals.blocksStaged == nil)
            #expect(try bed.cluster.control(["check"]).output.contains("path-silent"))
            #expect(try bed.cluster.control(["lease", "list"]).output.contains("staged-partial"))
            #expect(try bed.socket(host).status().dataplane?.silentPaths == ["\(peer.vtep)"])
            try Command.run(["nft", "delete table inet firewall"], namespace: peer.namespace)
            try Self.waitFor("STAGED", bed)

            // A switch that takes no packet as long as the overlay needs.
            let inSwitch = bed.cluster.underlay.switchNamespace
            try Command.ipBatch(["link set p1 mtu 1400"], namespace: inSwitch)
            try Self.waitFor("STAGED_PARTIAL", bed)
            #expect(near.reaches(far.ipv4, within: .seconds(5)), "what is short passes")
            // The peer may have been the first to find out.
            try bed.cluster.waitUntil("this host names the path", timeout: .seconds(5)) { () throws(KitError) in
                let pending = try bed.socket(host).status().dataplane?.pending ?? []
                return pending.contains { $0.contains("\(peer.vtep)") && $0.contains("overlay-mtu") }
            }
            try Command.ipBatch(["link set p1 mtu 1500"], namespace: inSwitch)
            try Self.waitFor("STAGED", bed)
        }
    }
}
