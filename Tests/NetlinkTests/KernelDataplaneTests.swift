import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// A whole data plane against the real kernel, compared with what iproute2 says.
@Suite struct KernelDataplaneTests {
    struct IPRoute: Decodable {
        var dst: String
        var dev: String?
        var `protocol`: String
        var metric: Int?
        var nhid: Int?
        var prefsrc: String?
        var type: String?
        var metrics: [Metrics]?
        struct Metrics: Decodable {
            var mtu: Int?
        }
    }
    struct IPNexthop: Decodable {
        struct Encap: Decodable {
            var id: Int?
            var dst: String?
        }
        var id: Int
        var gateway: String?
        var dev: String?
        var `protocol`: String
        var encap: String?
        // iproute2 prints the members of the encapsulation beside it.
        var dst: String?
    }
    struct IPNeighbor: Decodable {
        var dst: String
        var dev: String
        var lladdr: String?
        var state: [String]
    }
    struct BridgeVNI: Decodable {
        struct Entry: Decodable {
            var vni: Int
            var vniEnd: Int?
        }
        var ifname: String
        var vnis: [Entry]
    }

    static let configuration = DataplaneConfiguration(vtep: Bed.vtep, mtu: 1450)
    /// On an underlay of the given family, the endpoint of the bed's host and those of two others.
    static func endpoints(_ endpoints: Underlay.Endpoints) -> [IPAddress] {
        (1...3).map { number in
            endpoints == .ipv6
                ? .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: number))
                : .v4(IPv4Address(0xC000_0200 | UInt32(number)))
        }
    }
    static func configuration(_ endpoints: Underlay.Endpoints) -> DataplaneConfiguration {
        let own = Self.endpoints(endpoints)[0]
        return DataplaneConfiguration(vtep: own, mtu: Underlay.mtu - own.tunnelOverhead)
    }
    static let application = ApplicationID(UUID128(high: 1, low: 1))

    static func block(_ first: UInt32) throws -> SNIBlock {
        try #require(SNIBlock(first: SessionNetworkID(unchecked: first), size: 16))
    }

    /// One local block with one port, two remote blocks at two endpoints.
    static func changes(_ endpoints: Underlay.Endpoints = .ipv4) throws -> [DataplaneChange] {
        let endpoints = Self.endpoints(endpoints)
        let sni = SessionNetworkID(unchecked: 0x1005)
        let interface = try #require(VMInterface(vm: "web-1", nic: 0))
        return [
            .setScope(Scope(application: application, ranges: [SNIRange(unchecked: 0x1000, count: 64)])),
            .setLocalBlock(LocalBlock(block: try block(0x1000), application: application)),
            .setRemoteBlock(
                RemoteRoute(block: try block(0x1010), application: application, vtep: endpoints[1])),
            .setRemoteBlock(
                RemoteRoute(block: try block(0x1020), application: application, vtep: endpoints[2])),
            .setPort(
                Port(
                    sni: sni, block: try block(0x1000), application: application, interface: interface,
                    mac: MACAddress(0x064F_5200_1005))),
        ]
    }

    /// The bed with device, tables, port, and the changes applied.
    struct Plane {
        let bed: Bed
        let kernel: KernelDataplane
        var state: DataplaneState

        init(_ endpoints: Underlay.Endpoints = .ipv4) throws {
            bed = try Bed()
            let configuration = KernelDataplaneTests.configuration(endpoints)
            kernel = try KernelDataplane(configuration: configuration, namespace: bed.namespace)
            state = DataplaneState(configuration: configuration, deletes: .everything)
            let prepared = try kernel.prepare(mayReplace: false, elements: { [] })
            #expect(prepared.needsResync)
            try kernel.route.createTapPort(
                name: "sni001005", gatewayMAC: DataplaneConfiguration.portMAC, alias: "vm=web-1/0")
            state.resync(try kernel.dump())
            for change in try changes(endpoints) { try state.apply(change) }
        }

        /// Plans and executes until nothing is left; returns the number of rounds that wrote.
        mutating func converge() throws -> Int {
            for round in 0..<5 {
                let plan = state.plan()
                guard !plan.isEmpty else { return round }
                let outcome = kernel.execute(plan)
                for operation in outcome.completed { state.completed(operation) }
                for (operation, error) in outcome.failed { state.failed(operation, reason: "\(error)") }
                #expect(outcome.failed.isEmpty, "\(outcome.failed)")
                state.resync(try kernel.dump())
            }
            Issue.record("no convergence: \(state.plan().operations)")
            return 5
        }
    }

    @Test func everythingDesiredIsWhatIproute2Shows() throws {
        var plane = try Plane()
        #expect(try plane.converge() == 1)
        let bed = plane.bed
        let vnis = try bed.decode(Command.run(["bridge", "-n", bed.overlayName, "-json", "vni"]), as: BridgeVNI.self)
        #expect(vnis.first { $0.ifname == "outrider" }?.vnis.map(\.vni) == [1, 0x1000])

        let nexthops = try bed.ip(["nexthop"], as: IPNexthop.self)
        let first = try #require(nexthops.first { $0.gateway == "fe80::c000:202" })
        #expect(first.id == 0x4400_1010 && first.dev == "outrider" && first.protocol == "83" && first.encap == "ip")
        #expect(nexthops.filter { $0.id >> 30 == 1 }.count == 2)
        let echo = try #require(nexthops.first { $0.id == 0xC000_0202 })
        #expect(echo.gateway == "fe80::c000:202" && nexthops.count == 4)

        let routes = try bed.ip(["route"], as: IPRoute.self).filter { $0.protocol == "83" }
        #expect(
            Set(routes.map(\.dst)) == [
                "10.0.0.0/8", "169.254.0.0/16", "10.0.16.16/28", "10.0.16.32/28", "10.0.16.5",
            ])
        #expect(routes.first { $0.dst == "10.0.16.16/28" }?.nhid == 0x4400_1010)
        let host = try #require(routes.first { $0.dst == "10.0.16.5" })
        #expect(host.dev == "sni001005" && host.prefsrc == "169.254.1.1" && host.metrics?.first?.mtu == 1450)
        #expect(routes.first { $0.dst == "10.0.0.0/8" }?.metric == 4000)
        let routes6 = try bed.ip(["-6", "route"], as: IPRoute.self).filter { $0.protocol == "83" }
        #expect(
            Set(routes6.map(\.dst)) == [
                "fd53:4e49:5349::/48", "fd53:4e49:5349:10:1000::/68", "fd53:4e49:5349:10:2000::/68",
                "fd53:4e49:5349:10:500::1", "fd53:4e49:5349::24f:c000:202", "fd53:4e49:5349::24f:c000:203",
                "fe80::44f:52ff:fe00:1005",
            ])
        #expect(routes6.filter { $0.dev == "sni001005" }.allSatisfy { $0.metrics?.first?.mtu == 1450 })

        let neighbors = try bed.ip(["neigh", "show", "nud", "permanent"], as: IPNeighbor.self)
        let tunnel = try #require(neighbors.first { $0.dst == "fe80::c000:203" })
        #expect(tunnel.dev == "outrider" && tunnel.lladdr == "02:4f:c0:00:02:03")
        #expect(neighbors.filter { $0.dev == "sni001005" && $0.lladdr == "06:4f:52:00:10:05" }.count == 3)
    }

    @Test func secondApplyWritesNothing() throws {
        var plane = try Plane()
        _ = try plane.converge()
        let writes = plane.kernel.writes
        let prepared = try plane.kernel.prepare(mayReplace: false, elements: { [] })
        #expect(!prepared.needsResync)
        plane.state.resync(try plane.kernel.dump())
        #expect(plane.state.plan().isEmpty)
        // A new agent that knows nothing but what is desired finds the same.
        var fresh = DataplaneState(configuration: Self.configuration, deletes: .everything)
        for change in try Self.changes() { try fresh.apply(change) }
        let kernel = try KernelDataplane(configuration: Self.configuration, namespace: plane.bed.namespace)
        fresh.resync(try kernel.dump())
        #expect(fresh.plan().isEmpty, "\(fresh.plan().operations)")
        #expect(kernel.writes == 0 && plane.kernel.writes == writes)
    }

    @Test func foreignEntriesStayAndStaleOnesGo() throws {
        var plane = try Plane()
        let name = plane.bed.overlayName
        try Command.ipBatch(
            [
                "route add 10.7.0.0/24 dev outrider proto 98",
                "route add unreachable 10.8.0.0/24 proto 83",
                "route add unreachable fd53:4e49:5349:99::/64 proto 83",
                "nexthop add id 5 dev outrider proto 83",
                "nexthop add id 6 dev outrider proto 98",
                "neigh add fe80::77 lladdr 02:4f:00:00:00:77 dev outrider nud permanent",
                "route add 10.0.16.16/28 dev outrider proto 83",
            ], namespace: name)
        try Command.run(["bridge", "-n", name, "vni", "add", "vni", "7000-7002", "dev", "outrider"])
        for _ in 0..<2 { plane.state.resync(try plane.kernel.dump()) }
        _ = try plane.converge()
        let routes = try plane.bed.ip(["route"], as: IPRoute.self)
        #expect(routes.contains { $0.dst == "10.7.0.0/24" && $0.protocol == "98" })
        #expect(!routes.contains { $0.dst == "10.8.0.0/24" })
        #expect(routes.first { $0.dst == "10.0.16.16/28" }?.nhid == 0x4400_1010)
        #expect(
            plane.state.tracker.foreign == [
                .route(.v4(IPv4Address(0x0A07_0000), length: 24), metric: 0), .nexthop(6),
            ])
        #expect(
            try plane.kernel.route.vnis(index: #require(try plane.kernel.route.link(named: "outrider")).index) == [
                DataplaneConfiguration.echoVNI, SessionNetworkID(unchecked: 0x1000),
            ])
        let gone = try plane.bed.ip(["neigh", "show", "nud", "permanent"], as: IPNeighbor.self)
        #expect(!gone.contains { $0.dst == "fe80::77" })
    }

    @Test func everythingComesBackAfterTheDeviceLostUp() throws {
        var plane = try Plane()
        _ = try plane.converge()
        try Command.run(["ip", "-n", plane.bed.overlayName, "link", "set", "outrider", "down"])
        let prepared = try plane.kernel.prepare(mayReplace: false, elements: { [] })
        #expect(prepared.needsResync && !prepared.device.isNew)
        plane.state.resync(try plane.kernel.dump())
        #expect(!plane.state.plan().isEmpty)
        _ = try plane.converge()
        #expect(try plane.kernel.route.routes().filter { $0.target == .nexthop(0x4400_1010) }.count == 2)
    }

    @Test func removalLeavesOnlyWhatIsAlwaysThere() throws {
        var plane = try Plane()
        _ = try plane.converge()
        // The port goes first here: the entries of its device are gone with it, and their deletion counts as done.
        try plane.kernel.route.deletePort(named: "sni001005")
        for block: UInt32 in [0x1010, 0x1020] { try plane.state.apply(.removeRemoteBlock(Self.block(block))) }
        try plane.state.apply(.removeLocalBlock(Self.block(0x1000)))
        try plane.state.apply(.removePort(SessionNetworkID(unchecked: 0x1005)))
        try plane.state.apply(.removeScope(Self.application))
        _ = try plane.converge()
        let dump = try plane.kernel.dump()
        let ours = dump.objects.filter { plane.state.tracker.policy.verdict(of: $0) == .ours }
        #expect(
            Set(ours.map(\.key)) == [
                .route(.v4(IPv4Address(10 << 24), length: 8), metric: 4000),
                .route(OverlayPlan.routerPrefix4, metric: 4000),
                .route(.v6(IPv6Address(high: 0xfd53_4e49_5349_0000, low: 0), length: 48), metric: 4000),
                .vni(DataplaneConfiguration.echoVNI), .element(.tunnelID(DataplaneConfiguration.echoVNI)),
                .element(
                    .ingress6(
                        vni: DataplaneConfiguration.echoVNI, Self.configuration.plan.router6(of: Bed.vtep))),
            ])
    }

    @Test func anOperationThatFailsIsNamedAndTheRestIsDone() throws {
        let plane = try Plane()
        let good = KernelObject.route(.v4(IPv4Address(0x0A00_2000), length: 24), metric: 0, .unreachable)
        let bad = KernelObject.route(.v4(IPv4Address(0x0A00_3000), length: 24), metric: 0, .nexthop(12345))
        let lost = KernelObject.neighbor(device: "sni0000ff", address: .v4(IPv4Address(1)), mac: MACAddress(2))
        let plan = ChangePlan(steps: [
            ChangeStep(stage: .acquireNeighbors, operations: [.create(lost)]),
            ChangeStep(stage: .acquireRoutes, operations: [.create(bad), .create(good)]),
            ChangeStep(stage: .releaseNexthops, operations: [.delete(.nexthop(4711))]),
        ])
        let outcome = plane.kernel.execute(plan)
        #expect(Set(outcome.completed) == [.create(good), .delete(.nexthop(4711))])
        #expect(outcome.failed.map(\.operation) == [.create(lost), .create(bad)])
        #expect(outcome.failed.first?.error.description.contains("sni0000ff") == true)
        #expect(outcome.failed.last?.error.detail == "Nexthop id does not exist")
    }

    @Test func aVNIThatAnotherDeviceHoldsIsNamedWithTheFix() throws {
        let plane = try Plane()
        let other = try Bed.otherOverlay(host: plane.bed)
        defer { try? OverlayNamespace.delete(path: other.path) }
        try Command.run(["bridge", "-n", other.name, "vni", "add", "vni", "4096", "dev", "second"])
        let vni = KernelOperation.create(.vni(SessionNetworkID(unchecked: 4096)))
        let outcome = plane.kernel.execute(ChangePlan(steps: [ChangeStep(stage: .acquireVNIs, operations: [vni])]))
        #expect(outcome.completed.isEmpty)
        let text = try #require(outcome.failed.first).error.description
        #expect(text.contains("VNI 4096") && text.contains("UDP port 4789"), "\(text)")
    }
}
