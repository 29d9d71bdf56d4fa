import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What the agent asks of a kernel before it starts.
@Suite struct FeatureTests {
    private static let configuration = DataplaneConfiguration(vtep: Bed.vtep, mtu: 1450)

    @Test func thisKernelHasAllAndTheProbeLeavesNothing() throws {
        let bed = try Bed()
        #expect(try KernelFeatures.missing(in: bed.namespace, configuration: Self.configuration) == [])
        #expect(try bed.route.links().map(\.name) == ["lo"])
        #expect(try bed.route.nexthops() == [])
        #expect(try NFTables(.overlay(device: "lo"), in: bed.namespace.overlay).foreignTables() == [])
    }

    @Test func aTableThatTheKernelRefusesIsAnError() throws {
        let bed = try Bed()
        let tables = try NFTables(.overlay(device: "lo"), in: bed.namespace.overlay)
        for table in tables.tables {
            try tables.rehearse(table)
            // Its rules ask sets that are not there.
            var broken = table
            broken.sets = []
            let error = #expect(throws: NetlinkError.self) { try tables.rehearse(broken) }
            #expect(error?.isNotFound == true)
        }
        #expect(try tables.foreignTables() == [])
    }

    @Test(arguments: [
        ("6.1.0-56-cloud-amd64", true), ("6.18.44", true), ("7.0", true), ("6.0.19", false), ("5.15.0-1-amd64", false),
        ("?", false),
    ])
    func releases(_ release: String, _ isRecent: Bool) { #expect(KernelFeatures.isRecent(release) == isRecent) }

    @Test func pathsAreMeasuredByRouteAndDevice() throws {
        let bed = try Bed()
        let kernel = try KernelDataplane(configuration: Self.configuration, namespace: bed.namespace)
        let far = IPAddress.v4(IPv4Address(0xC000_0202))
        let farther = IPAddress.v4(IPv4Address(0xC000_0203))
        let lost = try kernel.paths(to: [far, farther]).problems
        #expect(lost.count == 1 && lost.first?.contains("has its tunnel endpoint 192.0.2.1") == true, "\(lost)")
        try Command.ipBatch(["link set lo up", "addr add 192.0.2.1/32 dev lo"], namespace: bed.hostName)
        #expect(try kernel.paths(to: [far]).problems.first?.hasPrefix("no route") == true)
        try Command.ipBatch(
            [
                "link add u0 type veth peer name u1", "link set u0 mtu 1500 up", "link set u1 up",
                "addr add 192.0.2.1/24 dev u0",
            ], namespace: bed.hostName)
        #expect(try kernel.paths(to: [far, farther]).problems == [])
        try Command.ipBatch(["route add 192.0.2.3/32 dev u0 mtu 1499"], namespace: bed.hostName)
        let problems = try kernel.paths(to: [farther, far]).problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("192.0.2.3 carries 1499 bytes, the overlay's MTU of 1450 needs 1500") == true)
    }
}
