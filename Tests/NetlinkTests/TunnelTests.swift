import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// Two hosts whose whole data plane is made by the code under test; only the underlay and the VMs' own addresses come
/// from iproute2.
@Suite struct TunnelTests {
    /// One host with one VM.
    final class Host {
        let bed: Bed
        let kernel: KernelDataplane
        var state: DataplaneState
        let vm: NamespaceDescriptor
        let sni: SessionNetworkID
        var vmName: String { String(vm.path.split(separator: "/").last ?? "") }

        init(vtep: IPAddress, block: UInt32) throws {
            bed = try Bed()
            let configuration = DataplaneConfiguration(vtep: vtep, mtu: 1450)
            kernel = try KernelDataplane(configuration: configuration, namespace: bed.namespace)
            state = DataplaneState(configuration: configuration, deletes: .everything)
            vm = try bed.addNamespace("v")
            sni = SessionNetworkID(unchecked: block + 3)
        }

        func start(_ changes: [DataplaneChange], port: Port) throws {
            for change in changes { try state.apply(change) }
            let elements = state.tracker.desiredElements
            try kernel.prepare(
                mayReplace: true, elements: { elements })
            try kernel.route.createVethPort(
                name: port.name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth0", peerNamespaceFD: vm.fd,
                peerMAC: port.mac, mtu: 1450, alias: "vm=\(port.interface)")
            try state.apply(.setPort(port))
            state.resync(try kernel.dump())
            let outcome = kernel.execute(state.plan())
            #expect(outcome.failed.isEmpty, "\(outcome.failed)")
            let plan = state.model.configuration.plan
            let (address4, address6) = (plan.ipv4(of: sni), plan.ipv6(of: sni))
            try Command.ipBatch(
                [
                    "link set lo up", "link set eth0 up", "addr add \(address4)/32 dev eth0",
                    "addr add \(address6)/128 dev eth0 nodad", "route add 169.254.1.1 dev eth0",
                    "route add default via 169.254.1.1 dev eth0", "route add default via fe80::1 dev eth0",
                ], namespace: vmName)
        }
    }

    static func port(_ sni: SessionNetworkID, block: SNIBlock, _ application: ApplicationID) throws -> Port {
        Port(
            sni: sni, block: block, application: application,
            interface: try #require(VMInterface(vm: "vm\(sni)", nic: 0)),
            mac: MACAddress(0x064F_5200_0000 | UInt64(sni.rawValue)))
    }

    @Test func virtualMachinesOfOneApplicationTalkOverTheTunnel() throws {
        let application = ApplicationID(UUID128(high: 7, low: 7))
        let blocks = try [0x1000, 0x1010].map { try KernelDataplaneTests.block($0) }
        let vteps = [0xC000_0201, 0xC000_0202].map { IPAddress.v4(IPv4Address($0)) }
        let hosts = try [0, 1].map { try Host(vtep: vteps[$0], block: blocks[$0].first.rawValue) }
        try Command.run([
            "ip", "-n", hosts[0].bed.hostName, "link", "add", "u0", "type", "veth", "peer", "name", "u0", "netns",
            hosts[1].bed.hostName,
        ])
        for (host, vtep) in zip(hosts, vteps) {
            try Command.ipBatch(
                ["link set lo up", "link set u0 up", "addr add \(vtep)/24 dev u0"], namespace: host.bed.hostName)
        }
        for (mine, other) in [(0, 1), (1, 0)] {
            try hosts[mine].start(
                [
                    .setScope(Scope(application: application, ranges: [SNIRange(unchecked: 0x1000, count: 32)])),
                    .setLocalBlock(LocalBlock(block: blocks[mine], application: application)),
                    .setRemoteBlock(RemoteRoute(block: blocks[other], application: application, vtep: vteps[other])),
                ], port: Self.port(hosts[mine].sni, block: blocks[mine], application))
        }
        for target in ["10.0.16.19", "fd53:4e49:5349:10:1300::1"] {
            let ping = try Command.attempt(
                ["ping", "-q", "-c", "5", "-i", "0.01", "-W", "2", "-s", "1000", target], namespace: hosts[0].vmName)
            #expect(ping.output.contains(" 0% packet loss"), "\(target): \(ping.output)")
        }
        // The tunnel's receive counters of the local block saw them, on both sides.
        for host in hosts {
            let device = try #require(try host.kernel.route.link(named: "outrider"))
            let counters = try host.kernel.route.vniCounters(index: device.index).filter {
                $0.vni != DataplaneConfiguration.echoVNI
            }
            #expect(counters.map(\.vni) == [SessionNetworkID(unchecked: host.sni.rawValue & ~0xF)])
            #expect(try #require(counters.first).receivedPackets >= 10)
        }
    }
}
