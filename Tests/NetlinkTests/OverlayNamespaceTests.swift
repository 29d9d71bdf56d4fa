import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct OverlayNamespaceTests {
    @Test func createSetsEverySysctlAndRaisesLoopback() throws {
        let bed = try Bed()
        for setting in OverlaySysctl.all {
            #expect(try bed.namespace.overlay.sysctl(setting.key) == setting.value, "\(setting.key)")
        }
        #expect(try bed.route.link(named: "lo")?.isUp == true)
        // A changed one is set back.
        try bed.namespace.overlay.setSysctl("net/ipv4/conf/all/rp_filter", to: "0")
        try bed.namespace.configure()
        #expect(try bed.namespace.overlay.sysctl("net/ipv4/conf/all/rp_filter") == "1")
        // The host's own forwarding is not touched by any of it.
        #expect(try bed.host.sysctl("net/ipv4/ip_forward") == "0")
    }

    @Test func pathsThatAreNoOverlayAreRefusedByName() throws {
        let bed = try Bed()
        let path = NetworkNamespace.path(bed.overlayName)
        let taken = #expect(throws: NetlinkError.self) { try OverlayNamespace.create(path: path) }
        #expect(taken?.isExists == true)
        #expect(taken?.description.contains(path) == true)
        let missing = #expect(throws: NetlinkError.self) {
            try OverlayNamespace(path: "/run/netns/otr-none", host: bed.host)
        }
        #expect(missing?.isNotFound == true)
        #expect(missing?.description.contains("netns create") == true)
        #expect(throws: NetlinkError.self) { try OverlayNamespace(path: "/etc/passwd", host: bed.host) }
        let own = #expect(throws: NetlinkError.self) {
            try OverlayNamespace(path: NetworkNamespace.path(bed.hostName), host: bed.host)
        }
        #expect(own?.description.contains("host's own namespace") == true)
    }

    @Test func deviceIsBornInTheOverlayAndItsSocketStaysWithTheHost() throws {
        let bed = try Bed()
        let first = try bed.namespace.ensureDevice(Bed.device, mayReplace: false, using: bed.route)
        #expect(first.isNew && !first.isUp)
        try bed.namespace.raiseDevice(Bed.device, using: bed.route)
        let link = try #require(try bed.ip(["link", "show", "outrider"], as: IPLink.self).first)
        #expect(link.ifindex == first.index)
        #expect(link.mtu == 1450)
        #expect(link.address == "02:4f:c0:00:02:01")
        #expect(link.flags.contains("UP"))
        let data = try #require(link.linkinfo?.info_data)
        #expect(link.linkinfo?.info_kind == "vxlan")
        #expect(data.local == "192.0.2.1" && data.port == 4789 && data.ttl == 64)
        #expect(data.external == true && data.vnifilter == true && data.learning == false)
        #expect(try Command.run(["ss", "-uln"], namespace: bed.hostName).contains(":4789"))
        #expect(try !Command.run(["ss", "-uln"], namespace: bed.overlayName).contains(":4789"))
        #expect(try RouteSocket(in: bed.host).link(named: "outrider") == nil)
        // A second call changes nothing.
        let writes = bed.route.writes
        let second = try bed.namespace.ensureDevice(Bed.device, mayReplace: false, using: bed.route)
        try bed.namespace.raiseDevice(Bed.device, using: bed.route)
        #expect(second == OverlayNamespace.DeviceState(index: first.index, isNew: false, isUp: true))
        #expect(bed.route.writes == writes)
    }

    @Test func driftOfTheDeviceIsCorrectedOrNamed() throws {
        let bed = try Bed()
        let index = try bed.makeDevice()
        try Command.run(["ip", "-n", bed.overlayName, "link", "set", "outrider", "mtu", "1300"])
        _ = try bed.namespace.ensureDevice(Bed.device, mayReplace: false, using: bed.route)
        #expect(try bed.route.link(named: "outrider")?.mtu == 1450)
        var moved = Bed.device
        moved.port = 4790
        let error = #expect(throws: NetlinkError.self) {
            try bed.namespace.ensureDevice(moved, mayReplace: false, using: bed.route)
        }
        #expect(error?.description.contains("192.0.2.1 port 4789 instead of 192.0.2.1 port 4790") == true)
        #expect(try bed.route.link(named: "outrider")?.index == index)
        let replaced = try bed.namespace.ensureDevice(moved, mayReplace: true, using: bed.route)
        #expect(replaced.isNew)
        #expect(try bed.route.link(named: "outrider")?.vxlan?.port == 4790)
    }

    @Test(arguments: ["192.0.2.1 192.0.2.9", "2001:db8::1 2001:db8::9"])
    func anotherEndpointOfTheFamilyIsACorrectionOfARunningDevice(pair: String) throws {
        let endpoints = pair.split(separator: " ").compactMap { IPAddress(String($0)) }
        let bed = try Bed()
        var device = Bed.device
        (device.vtep, device.mac) = (endpoints[0], endpoints[0].tunnelMAC)
        let first = try bed.namespace.ensureDevice(device, mayReplace: false, using: bed.route)
        try bed.namespace.raiseDevice(device, using: bed.route)
        try Command.run([
            "ip", "-n", bed.overlayName, "neigh", "add", "fe80::2", "lladdr", "02:4f:00:00:00:02", "dev", "outrider",
            "nud", "permanent",
        ])
        (device.vtep, device.mac) = (endpoints[1], endpoints[1].tunnelMAC)
        let moved = try bed.namespace.ensureDevice(device, mayReplace: false, using: bed.route)
        #expect(moved == OverlayNamespace.DeviceState(index: first.index, isNew: false, isUp: true))
        #expect(try bed.route.link(named: "outrider")?.vxlan?.local == endpoints[1])
        let neighbors = try Command.run(["ip", "-n", bed.overlayName, "neigh", "show", "dev", "outrider"])
        #expect(neighbors.contains("fe80::2"), "what stands on the device stays")
        // And nothing more is written.
        let writes = bed.route.writes
        _ = try bed.namespace.ensureDevice(device, mayReplace: false, using: bed.route)
        #expect(bed.route.writes == writes)
    }

    @Test func nameTakenBySomebodyElseIsNamed() throws {
        let bed = try Bed()
        try Command.run(["ip", "-n", bed.overlayName, "link", "add", "outrider", "type", "bridge"])
        let error = #expect(throws: NetlinkError.self) {
            try bed.namespace.ensureDevice(Bed.device, mayReplace: true, using: bed.route)
        }
        #expect(error?.isExists == true)
        #expect(error?.description.contains("bridge") == true)
        #expect(try bed.route.link(named: "outrider")?.kind == "bridge")
    }

    @Test func portTakenByAnotherTunnelIsNamed() throws {
        let bed = try Bed()
        try Command.run([
            "ip", "-n", bed.hostName, "link", "add", "flannel9", "type", "vxlan", "dstport", "4789", "external",
        ])
        let error = #expect(throws: NetlinkError.self) {
            try bed.namespace.ensureDevice(Bed.device, mayReplace: false, using: bed.route)
        }
        #expect(error?.isBusy == true)
        #expect(error?.description.contains("flannel9") == true)
        #expect(try bed.route.link(named: "outrider") == nil)
    }

    @Test func portTakenByASocketIsNamed() throws {
        let bed = try Bed()
        let socket = try bed.host.open(domain: AF_INET, type: Int32(SOCK_DGRAM.rawValue), protocol: 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(4789).bigEndian
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0)
        _ = try bed.namespace.ensureDevice(Bed.device, mayReplace: false, using: bed.route)
        let error = #expect(throws: NetlinkError.self) {
            try bed.namespace.raiseDevice(Bed.device, using: bed.route)
        }
        #expect(error?.isBusy == true)
        #expect(error?.description.contains("UDP port 4789") == true)
    }
}
