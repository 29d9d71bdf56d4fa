import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// The fault matrix of `DataplaneTests`, as far as the real kernel can be brought to it.
@Suite struct KernelFaultTests {
    typealias Plane = KernelDataplaneTests.Plane
    private static let port = "sni001005"
    static let underlays = [Underlay.Endpoints.ipv4, .ipv6]

    /// What a new agent that knows only what is wanted would write: nothing.
    private static func expectWhole(_ plane: inout Plane, sourceLocation: SourceLocation = #_sourceLocation) throws {
        // What nobody wants goes on a second sight.
        for _ in 0..<3 {
            for _ in 0..<2 { plane.state.resync(try plane.kernel.dump()) }
            _ = try plane.converge()
        }
        let endpoints: Underlay.Endpoints = plane.kernel.configuration.vtep.isIPv6 ? .ipv6 : .ipv4
        var fresh = DataplaneState(configuration: plane.kernel.configuration, deletes: .everything)
        for change in try KernelDataplaneTests.changes(endpoints) { try fresh.apply(change) }
        for _ in 0..<2 { fresh.resync(try plane.kernel.dump()) }
        #expect(fresh.plan().isEmpty, "\(fresh.plan().operations)", sourceLocation: sourceLocation)
        let writes = plane.kernel.writes
        #expect(try plane.converge() == 0, sourceLocation: sourceLocation)
        #expect(plane.kernel.writes == writes, sourceLocation: sourceLocation)
    }

    /// One round without the expectation that nothing fails.
    private static func attempt(_ plane: inout Plane) throws -> KernelDataplane.Outcome {
        let outcome = plane.kernel.execute(plane.state.plan())
        for operation in outcome.completed { plane.state.completed(operation) }
        for (operation, error) in outcome.failed { plane.state.failed(operation, reason: "\(error)") }
        return outcome
    }

    private static func makePort(_ plane: Plane) throws {
        try plane.kernel.route.createTapPort(
            name: port, gatewayMAC: DataplaneConfiguration.portMAC, alias: "vm=web-1/0")
    }

    @Test(arguments: underlays)
    func aDeviceThatVanishesBetweenPlanAndWriteIsNamedAndTheRestIsDone(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        try plane.kernel.route.deletePort(named: Self.port)
        let outcome = try Self.attempt(&plane)
        #expect(!outcome.failed.isEmpty && outcome.failed.allSatisfy { "\($0.error)".contains(Self.port) })
        #expect(outcome.completed.contains { if case .nexthop = $0.key { true } else { false } })
        try Self.makePort(plane)
        try Self.expectWhole(&plane)
    }

    @Test(arguments: underlays)
    func anIndexThatAnotherDeviceHasNowGetsNothing(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        _ = try plane.converge()
        let index = try #require(try plane.kernel.route.link(named: Self.port)).index
        try plane.kernel.route.deletePort(named: Self.port)
        try Command.ipBatch(
            ["link add intruder index \(index) type bridge", "link set intruder up"], namespace: plane.bed.overlayName)
        plane.state.resync(try plane.kernel.dump())
        let outcome = try Self.attempt(&plane)
        #expect(!outcome.failed.isEmpty && outcome.failed.allSatisfy { "\($0.error)".contains(Self.port) })
        for list in [
            "neigh show dev intruder nud permanent", "-4 route show dev intruder proto 83",
            "-6 route show dev intruder proto 83",
        ] {
            let words = list.split(separator: " ").map(String.init)
            let text = try Command.run(["ip", "-n", plane.bed.overlayName] + words)
            #expect(text.isEmpty, "\(list): \(text)")
        }
        try Self.makePort(plane)
        #expect(try plane.kernel.route.link(named: Self.port)?.index != index)
        try Self.expectWhole(&plane)
    }

    @Test(arguments: underlays)
    func aRenamedDeviceIsMissedUntilItHasItsNameAgain(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        _ = try plane.converge()
        let name = plane.bed.overlayName
        try Command.ipBatch(
            ["link set \(Self.port) down", "link set \(Self.port) name other0", "link set other0 up"], namespace: name)
        plane.state.resync(try plane.kernel.dump())
        let outcome = try Self.attempt(&plane)
        #expect(!outcome.failed.isEmpty && outcome.failed.allSatisfy { "\($0.error)".contains(Self.port) })
        try Command.ipBatch(
            ["link set other0 down", "link set other0 name \(Self.port)", "link set \(Self.port) up"], namespace: name)
        try Self.expectWhole(&plane)
    }

    @Test(arguments: underlays)
    func editsOfOthersAreTakenBackKindByKind(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        _ = try plane.converge()
        let name = plane.bed.overlayName
        let (own, first, second) = (
            plane.kernel.configuration.vtep, KernelDataplaneTests.endpoints(endpoints)[1],
            KernelDataplaneTests.endpoints(endpoints)[2]
        )
        let (encapsulation, stranger) = own.isIPv6 ? ("ip6", "2001:db8::99") : ("ip", "192.0.2.99")
        try Command.ipBatch(
            [
                "route del 10.0.16.16/28", "route replace 10.0.16.32/28 dev outrider proto 83",
                "route del fd53:4e49:5349:10:1000::/68", "route del fd53:4e49:5349:10:500::1",
                "nexthop replace id \(0x4400_1020) encap \(encapsulation) id 4128 src \(own) dst \(stranger) "
                    + "via inet6 \(second.tunnelGateway) dev outrider proto 83",
                "neigh replace \(first.tunnelGateway) lladdr 02:4f:00:00:00:01 dev outrider nud permanent",
                "neigh del fd53:4e49:5349:10:500::1 dev \(Self.port)", "addr del 169.254.1.1/32 dev lo",
            ], namespace: name)
        try Command.run(["bridge", "-n", name, "vni", "delete", "vni", "4096", "dev", "outrider"])
        for line in [
            "flush set inet outrider pair4", "flush set inet outrider source6", "flush set arp outrider arp_sender",
            "flush set netdev outrider ingress4",
        ] { try Command.run(["nft", line], namespace: name) }
        try Command.run(
            ["nft", "flush set inet outrider_underlay \(own.isIPv6 ? "vtep6" : "vtep")"], namespace: plane.bed.hostName)
        plane.state.resync(try plane.kernel.dump())
        #expect(plane.state.plan().operationCount >= 12)
        try Self.expectWhole(&plane)
    }

    /// Its strangers go, and what it overwrote comes back, once it has stopped.
    @Test(arguments: underlays)
    func aSecondWriterLeavesNothingBehind(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        _ = try plane.converge()
        let configuration = plane.kernel.configuration
        var other = DataplaneState(configuration: configuration, deletes: .everything)
        let kernel = try KernelDataplane(configuration: configuration, namespace: plane.bed.namespace)
        try other.apply(
            .setRemoteBlock(
                RemoteRoute(
                    block: KernelDataplaneTests.block(0x1010), application: KernelDataplaneTests.application,
                    vtep: endpoints == .ipv6
                        ? .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 0x63)) : .v4(IPv4Address(0xC000_0263)))))
        try other.apply(
            .setLocalBlock(
                LocalBlock(
                    block: KernelDataplaneTests.block(0x2000), application: KernelDataplaneTests.application)))
        for _ in 0..<2 { other.resync(try kernel.dump()) }
        let outcome = kernel.execute(other.plan())
        #expect(outcome.failed.isEmpty, "\(outcome.failed)")
        plane.state.resync(try plane.kernel.dump())
        #expect(!plane.state.plan().isEmpty)
        try Self.expectWhole(&plane)
    }

    /// The path goes, and what the agent holds open lives on; whoever comes later is told what to do.
    @Test(arguments: underlays)
    func aDeletedNamespaceKeepsWorkingForItsHolder(_ endpoints: Underlay.Endpoints) throws {
        var plane = try Plane(endpoints)
        _ = try plane.converge()
        let path = NetworkNamespace.path(plane.bed.overlayName)
        try OverlayNamespace.delete(path: path)
        let error = #expect(throws: NetlinkError.self) { try OverlayNamespace(path: path, host: plane.bed.host) }
        #expect(error?.description.contains("netns create") == true)
        try plane.state.apply(.removeRemoteBlock(KernelDataplaneTests.block(0x1010)))
        #expect(try plane.converge() == 1)
        // For the bed, which deletes it.
        try OverlayNamespace.create(path: path)
    }
}
