import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// Hosts that track connections: the tunnel's packets make no entry there, whichever way they go.
@Suite struct ConntrackTests {
    private static let pairs = [["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]]

    /// Entries of the tunnel's port in a host's own namespace.
    private static func entries(_ host: TunnelTests.Host, ipv6: Bool) throws -> [Substring] {
        let text = try Command.run(
            ["conntrack", "-L", "-f", ipv6 ? "ipv6" : "ipv4", "-p", "udp"], namespace: host.bed.hostName)
        return text.split(separator: "\n").filter { $0.contains("dport=4789") }
    }

    private static func ping(_ target: String, from namespace: String) throws -> Bool {
        try Command.attempt(["ping", "-q", "-c", "5", "-i", "0.01", "-W", "2", target], namespace: namespace)
            .output.contains(" 0% packet loss")
    }

    @Test(arguments: pairs) func theTunnelMakesNoEntries(endpoints: [String]) throws {
        let application = ApplicationID(UUID128(high: 7, low: 8))
        let vteps = endpoints.compactMap { IPAddress($0) }
        let isIPv6 = vteps[0].isIPv6
        let blocks = try [0x1000, 0x1010].map { try KernelDataplaneTests.block($0) }
        let hosts = try [0, 1].map { try TunnelTests.Host(vtep: vteps[$0], block: blocks[$0].first.rawValue) }
        try Command.run([
            "ip", "-n", hosts[0].bed.hostName, "link", "add", "u0", "type", "veth", "peer", "name", "u0", "netns",
            hosts[1].bed.hostName,
        ])
        for (host, vtep) in zip(hosts, vteps) {
            let address = isIPv6 ? "\(vtep)/64 dev u0 nodad" : "\(vtep)/24 dev u0"
            try Command.ipBatch(
                ["link set lo up", "link set u0 up", "addr add \(address)"], namespace: host.bed.hostName)
            // A rule that asks for the state of connections is what makes a namespace track them.
            try Command.run(
                [
                    "nft",
                    "add table inet tracking; add chain inet tracking in { type filter hook prerouting priority 0; }; "
                        + "add rule inet tracking in ct state established counter",
                ], namespace: host.bed.hostName)
        }
        for (mine, other) in [(0, 1), (1, 0)] {
            try hosts[mine].start(
                [
                    .setScope(Scope(application: application, ranges: [SNIRange(unchecked: 0x1000, count: 32)])),
                    .setLocalBlock(LocalBlock(block: blocks[mine], application: application)),
                    .setRemoteBlock(RemoteRoute(block: blocks[other], application: application, vtep: vteps[other])),
                ], port: TunnelTests.port(hosts[mine].sni, block: blocks[mine], application))
        }
        let targets = ["10.0.16.19", "fd53:4e49:5349:10:1300::1"]
        for target in targets { #expect(try Self.ping(target, from: hosts[0].vmName), "\(target)") }
        for host in hosts { #expect(try Self.entries(host, ipv6: isIPv6) == []) }

        // Without our table both would have them: the namespaces do track.
        for host in hosts { try host.kernel.underlayTables.removeStructure() }
        for target in targets { #expect(try Self.ping(target, from: hosts[0].vmName), "\(target)") }
        for host in hosts { #expect(try !Self.entries(host, ipv6: isIPv6).isEmpty) }
    }
}
