public import Dataplane
import Glibc
import NetworkTypes

/// What the data plane needs of a kernel, tried out, so that an older or trimmed one is refused by name at start and not
/// by a failure in the middle of a launch.
public enum KernelFeatures {
    /// The oldest kernel that the data plane is tested on.
    public static let oldest = (major: 6, minor: 1)

    /// Names of what is missing, with the option that brings it; empty when all is there.
    ///
    /// Makes a port and a tunnel device named `otrprobe...` in the overlay's namespace for a moment and takes them away;
    /// nothing is made when the overlay's own device is there already, since then the kernel has shown all of it.
    public static func missing(
        in namespace: OverlayNamespace, configuration: DataplaneConfiguration
    ) throws(NetlinkError) -> [String] {
        let route = try RouteSocket(in: namespace.overlay)
        if try route.link(named: configuration.device)?.vxlan?.isFiltered == true { return [] }
        var missing: [String] = []
        if !isRecent(release) {
            missing.append("Linux \(oldest.major).\(oldest.minor) or later: this is \(release)")
        }
        try attempt("nexthop objects (Linux 5.3)", &missing) { () throws(NetlinkError) in _ = try route.nexthops() }
        try attempt("counters of devices by RTM_GETSTATS (Linux 4.7)", &missing) { () throws(NetlinkError) in
            _ = try route.counters()
        }
        try attempt("packet sockets (CONFIG_PACKET)", &missing) { () throws(NetlinkError) in
            _ = try FrameBell(index: 1, in: namespace.overlay) {}
        }
        let plan = configuration.plan
        for table in NFTStructure.overlay(
            device: "lo", plan: plan, answers: configuration.answersGuests)
        {
            try attempt("nf_tables \(table.family) with its expressions (\(table.options))", &missing) {
                () throws(NetlinkError) in
                try NFTables(.overlay(device: "lo", plan: plan), in: namespace.overlay).rehearse(table)
            }
        }
        try probeTunnel(namespace, configuration, route, &missing)
        try probePort(configuration, route, &missing)
        return missing
    }

    /// `major.minor...` of uname(2).
    public static var release: String {
        var name = utsname()
        guard unsafe uname(&name) == 0 else { return "?" }
        return text(name.release)
    }

    static func isRecent(_ release: String) -> Bool {
        let numbers = release.split(separator: ".").prefix(2).map { Int($0.prefix(while: \.isNumber)) ?? 0 }
        guard numbers.count == 2 else { return false }
        return (numbers[0], numbers[1]) >= (oldest.major, oldest.minor)
    }

    /// Adds a name for an error that says "not supported"; other errors are not the kernel's lack and are thrown.
    private static func attempt(
        _ feature: String, _ missing: inout [String], _ body: () throws(NetlinkError) -> Void
    ) throws(NetlinkError) {
        do throws(NetlinkError) {
            try body()
        } catch {
            let unsupported = [EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENOENT, EINVAL, ENODEV, ENOSYS]
            // Somebody has the like of it: then the kernel can do it.
            if error.isExists { return }
            guard unsupported.contains(error.code) else { throw error }
            let reason = error.detail.isEmpty ? unsafe String(cString: strerror(error.code)) : error.detail
            missing.append("\(feature): \(reason)")
        }
    }

    private static func probeTunnel(
        _ namespace: OverlayNamespace, _ configuration: DataplaneConfiguration, _ route: RouteSocket,
        _ missing: inout [String]
    ) throws(NetlinkError) {
        // It stays down, so it takes no UDP port.
        let device = TunnelDevice(
            name: "otrprobe0", mac: configuration.vtep.tunnelMAC, vtep: configuration.vtep,
            port: configuration.vxlanPort, mtu: configuration.mtu)
        _ = try route.deleteLink(named: device.name)
        var filtered = false
        try attempt("VXLAN devices (CONFIG_VXLAN)", &missing) { () throws(NetlinkError) in
            let host = try RouteSocket(in: namespace.host)
            try host.change(RouteMessage.vxlan(device, ttl: 64, namespace: namespace.overlay.namespace))
            let link = try route.link(named: device.name)
            filtered = link?.vxlan?.isFiltered == true
            if filtered, let index = link?.index { _ = try route.vnis(index: index) }
        }
        if try route.deleteLink(named: device.name) && !filtered {
            missing.append("VXLAN devices with a VNI filter (Linux 5.18)")
        }
    }

    /// A port, and on it nexthop objects with both encapsulations.
    private static func probePort(
        _ configuration: DataplaneConfiguration, _ route: RouteSocket, _ missing: inout [String]
    ) throws(NetlinkError) {
        let name = "otrprobe1"
        _ = try route.deleteLink(named: name)
        var index: Int?
        try attempt("veth devices (CONFIG_VETH)", &missing) { () throws(NetlinkError) in
            index = try route.createVethPort(
                name: name, gatewayMAC: DataplaneConfiguration.portMAC, peerName: "otrprobe2",
                peerNamespaceFD: route.sockets.namespace.fd, peerMAC: MACAddress(0x02_0000_0000_02), mtu: 1500,
                alias: "outrider probe")
        }
        guard let index else { return }
        let endpoints: [(own: IPAddress, other: IPAddress)] = [
            (.v4(IPv4Address(0xC000_0201)), .v4(IPv4Address(0xC000_0202))),
            (.v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 1)), .v6(IPv6Address(high: 0x2001_0DB8 << 32, low: 2))),
        ]
        for (number, pair) in endpoints.enumerated() {
            let nexthop = Nexthop(
                id: 0x3FFF_FFF0 + UInt32(number), vni: SessionNetworkID(unchecked: 1), source: pair.own,
                vtep: pair.other, gateway: .linkLocal(2), device: name)
            let family = pair.own.isIPv6 ? "ip6" : "ip"
            try attempt("nexthop objects with encap \(family) (CONFIG_LWTUNNEL)", &missing) {
                () throws(NetlinkError) in
                try route.change(RouteMessage.nexthop(nexthop, index: index))
                try route.change(RouteMessage.deleteNexthop(nexthop.id))
            }
        }
        _ = try route.deleteLink(named: name)
    }
}

extension NFTTable {
    /// Kernel options behind the table.
    fileprivate var options: String {
        switch family {
        case .inet:
            sets.contains { ($0.dynamic?.rateMax ?? 0) > 0 }
                ? "CONFIG_NF_TABLES_INET, CONFIG_NFT_LIMIT" : "CONFIG_NF_TABLES_INET"
        case .arp: "CONFIG_NF_TABLES_ARP"
        case .netdev: "CONFIG_NF_TABLES_NETDEV, CONFIG_NFT_TUNNEL"
        }
    }
}
