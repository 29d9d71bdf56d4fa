import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct PortTests {
    static let name = "sni00101a"
    static let vmMAC = MACAddress(0x064F_5200_101A)

    private func veth(_ bed: Bed, _ vm: NamespaceDescriptor, peer: String = "eth0") throws -> Int {
        try bed.route.createVethPort(
            name: Self.name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: peer, peerNamespaceFD: vm.fd,
            peerMAC: Self.vmMAC, mtu: 1450, alias: "vm=web-1/0")
    }

    @Test func vethPortIsBornWithItsPeerInTheVM() throws {
        let bed = try Bed()
        let vm = try bed.addNamespace("v")
        let index = try veth(bed, vm)
        let port = try #require(try bed.ip(["link", "show", Self.name], as: IPLink.self).first)
        #expect(port.ifindex == index)
        #expect(port.mtu == 1450 && port.address == "02:4f:52:00:00:01" && port.ifalias == "vm=web-1/0")
        #expect(port.flags.contains("UP"))
        let text = try Command.run(["ip", "-json", "-d", "link", "show", "eth0"], namespace: vmName(vm))
        let peer = try #require(try bed.decode(text, as: IPLink.self).first)
        #expect(peer.mtu == 1450 && peer.address == "06:4f:52:00:10:1a")
        // Up from the start, so that our end comes up with a carrier.
        #expect(peer.flags.contains("UP") && port.flags.contains("LOWER_UP"))
        let ports = try bed.route.ports()
        #expect(ports.map(\.sni) == [SessionNetworkID(unchecked: 0x101A)])
        #expect(ports.first?.link.alias == "vm=web-1/0")
        #expect(try bed.route.deletePort(named: Self.name))
        #expect(try !bed.route.deletePort(named: Self.name))
        #expect(try RouteSocket(in: NamespaceSockets(namespace: vm)).link(named: "eth0") == nil)
    }

    /// What can become a port, by what the kernel says of a device. A function of SR-IOV, like the card itself, has no kind.
    @Test func devicesWhoseFramesPassTheHostByAreNamed() throws {
        let bed = try Bed()
        let namespace = NetworkNamespace.path(bed.hostName)
        for line in ["veth0 type veth peer name veth1", "mv0 link veth1 type macvtap", "br0 type bridge"] {
            try Command.run(["ip", "-n", bed.hostName, "link", "add"] + line.split(separator: " ").map(String.init))
        }
        for (name, mode) in [("tap0", "tap"), ("tun0", "tun")] {
            try Command.run(["ip", "-n", bed.hostName, "tuntap", "add", name, "mode", mode])
        }
        let route = try RouteSocket(in: NamespaceSockets(path: namespace))
        let kinds = Dictionary(uniqueKeysWithValues: try route.links().map { ($0.name, $0.unfitAsPort) })
        #expect(kinds["veth0"] == .some(nil) && kinds["tap0"] == .some(nil))
        #expect(kinds["mv0"] == "macvtap device" && kinds["br0"] == "bridge device")
        #expect(kinds["tun0"] == "tun device without Ethernet" && kinds["lo"] == "loopback device")
        var card = try #require(try route.link(named: "lo"))
        #expect(card.kind.isEmpty)
        card.isLoopback = false
        #expect(card.unfitAsPort == "physical device or SR-IOV function")
    }

    @Test func takenNamesAreNamedAndLeftAlone() throws {
        let bed = try Bed()
        let vm = try bed.addNamespace("v")
        _ = try veth(bed, vm)
        let ours = #expect(throws: NetlinkError.self) { try veth(bed, vm, peer: "eth1") }
        #expect(ours?.isExists == true && ours?.object == Self.name)
        #expect(try bed.route.link(named: Self.name)?.alias == "vm=web-1/0")
        let peer = #expect(throws: NetlinkError.self) {
            try bed.route.createVethPort(
                name: "sni00101b", gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth0", peerNamespaceFD: vm.fd,
                peerMAC: Self.vmMAC, mtu: 1450, alias: "x")
        }
        #expect(peer?.isExists == true && peer?.object == "eth0")
        #expect(try bed.route.link(named: "sni00101b") == nil)
        let tap = #expect(throws: NetlinkError.self) {
            try bed.route.createTapPort(
                name: Self.name, gatewayMAC: DataplaneConfiguration.portMAC, alias: "x")
        }
        #expect(tap?.isExists == true)
    }

    @Test func impossibleArgumentsLeaveNothingBehind() throws {
        let bed = try Bed()
        let vm = try bed.addNamespace("v")
        #expect(throws: NetlinkError.self) { try veth(bed, vm, peer: "a-name-that-is-too-long") }
        #expect(throws: NetlinkError.self) {
            try bed.route.createTapPort(
                name: Self.name, gatewayMAC: MACAddress(0x0100_0000_0001), alias: "group address")
        }
        #expect(try bed.route.ports().isEmpty)
    }

    @Test func tapPortOutlivesItsDescriptor() throws {
        let bed = try Bed()
        let index = try bed.route.createTapPort(
            name: Self.name, gatewayMAC: DataplaneConfiguration.portMAC, alias: "vm=db-1/0")
        // A program that another test starts at this moment has the descriptor, too, until it executes.
        for _ in 0..<500 where try bed.route.link(named: Self.name)?.isLowerUp == true { usleep(10_000) }
        let link = try #require(try bed.route.link(named: Self.name))
        #expect(link.index == index && link.kind == "tun" && link.isUp && !link.isLowerUp)
        #expect(link.alias == "vm=db-1/0" && link.mac == DataplaneConfiguration.portMAC)
        #expect(try RouteSocket(in: bed.host).link(named: Self.name) == nil)
        // A hypervisor can open it.
        let descriptor = try bed.namespace.overlay.openTap(name: Self.name, persistent: true)
        #expect(try bed.route.link(named: Self.name)?.isLowerUp == true)
        close(descriptor)
    }

    @Test func tapMadeElsewhereIsMovedRenamedAndStillDelivers() throws {
        let bed = try Bed()
        // libvirt reuses vnetN: the name is taken in the overlay too, and the move must not mind.
        try Command.run(["ip", "-n", bed.overlayName, "link", "add", "vnet0", "type", "bridge"])
        let tap = try bed.host.openTap(name: "vnet0", persistent: false)
        defer { close(tap) }
        let index = try bed.route.movePort(
            from: bed.host, device: "vnet0", to: Self.name, gatewayMAC: DataplaneConfiguration.portMAC, mtu: 1450,
            alias: "vm=kvm-1/0")
        let link = try #require(try bed.route.link(named: Self.name))
        #expect(link.index == index && link.isUp && link.isLowerUp && link.alias == "vm=kvm-1/0" && link.mtu == 1450)
        #expect(try RouteSocket(in: bed.host).link(named: "vnet0") == nil)
        // What the VM writes arrives in the overlay, and what the overlay sends arrives at the VM.
        let frame: [UInt8] =
            DataplaneConfiguration.portMAC.bytes + Self.vmMAC.bytes + [0x88, 0xB5] + Array(repeating: 1, count: 46)
        #expect(unsafe write(tap, frame, frame.count) == frame.count)
        #expect(try bed.route.counters(index: index)?.receivedBytes == UInt64(frame.count))
        try Command.run(["ip", "-n", bed.overlayName, "addr", "add", "fe80::1/64", "dev", Self.name, "nodad"])
        try Command.run([
            "ip", "-n", bed.overlayName, "neigh", "add", "fe80::2", "lladdr", "\(Self.vmMAC)", "dev", Self.name,
        ])
        _ = try Command.attempt(["ping", "-c1", "-W1", "fe80::2%\(Self.name)"], namespace: bed.overlayName)
        var poller = pollfd(fd: tap, events: Int16(POLLIN), revents: 0)
        #expect(unsafe poll(&poller, 1, 2000) == 1)
    }

    @Test func moveOfWhatIsNotThereNamesIt() throws {
        let bed = try Bed()
        let error = #expect(throws: NetlinkError.self) {
            try bed.route.movePort(
                from: bed.host, device: "vnet7", to: Self.name, gatewayMAC: DataplaneConfiguration.portMAC, mtu: 1450,
                alias: "x")
        }
        #expect(error?.isNotFound == true && error?.description.contains("vnet7") == true)
    }

    @Test(arguments: ["sni00101a": true, "sni0010": false, "snix0101a": false, "sni00101A": false, "vnet0": false])
    func onlyPortNamesArePorts(name: String, isPort: Bool) {
        #expect((RouteSocket.identifier(ofPort: name) != nil) == isPort)
    }

    private func vmName(_ vm: NamespaceDescriptor) -> String { String(vm.path.split(separator: "/").last ?? "") }
}
