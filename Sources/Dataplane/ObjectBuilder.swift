import NetworkTypes

/// The kernel objects of one semantic thing; no state of its own.
struct ObjectBuilder {
    let configuration: DataplaneConfiguration
    private var plan: OverlayPlan { configuration.plan }

    init(configuration: DataplaneConfiguration) { self.configuration = configuration }

    /// What every host carries before it holds anything.
    var always: [KernelObject] {
        [
            .address(device: "lo", prefix: .v4(DataplaneConfiguration.gateway4, length: 32)),
            // What ICMP errors to VMs of other hosts come from. On the tunnel's device, so that the kernel prefers them
            // there; the route keeps the source check of IPv4 (RFC 3704) content with those of other hosts.
            .address(device: configuration.device, prefix: .v4(configuration.vtep.overlayRouter4, length: 32)),
            .address(
                device: configuration.device, prefix: .v6(plan.router6(of: configuration.vtep), length: 128)),
            .route(
                OverlayPlan.routerPrefix4, metric: DataplaneConfiguration.coverMetric,
                .device(configuration.device, source: nil)),
            // Nothing of the overlay may leak to another route of the namespace.
            .route(plan.ipv4, metric: DataplaneConfiguration.coverMetric, .unreachable),
            .route(plan.ipv6, metric: DataplaneConfiguration.coverMetric, .unreachable),
            // Echoes of peers are let in, and answered by the kernel.
            .vni(DataplaneConfiguration.echoVNI), .element(.tunnelID(DataplaneConfiguration.echoVNI)),
            .element(.ingress6(vni: DataplaneConfiguration.echoVNI, plan.router6(of: configuration.vtep))),
        ]
    }

    /// The id in the device's filter, and in the host's table, which counts what comes with another: the device drops
    /// that without a trace.
    func local(_ block: SNIBlock) -> [KernelObject] { [.vni(block.vni), .element(.tunnelID(block.vni))] }

    /// One neighbor answers for all blocks of a tunnel endpoint, and the host's table lets its packets in.
    ///
    /// - Parameter isEchoed: nobody else has the id of its echoes' nexthop object.
    func endpoint(_ vtep: IPAddress, isEchoed: Bool) -> [KernelObject] {
        let basics: [KernelObject] = [
            .neighbor(
                device: configuration.device, address: .v6(vtep.tunnelGateway), mac: vtep.tunnelMAC),
            sender(vtep),
        ]
        guard isEchoed else { return basics }
        let id = DataplaneConfiguration.echoNexthopID(of: vtep)
        return basics + [
            .nexthop(
                Nexthop(
                    id: id, vni: DataplaneConfiguration.echoVNI, source: configuration.vtep, vtep: vtep,
                    gateway: vtep.tunnelGateway, device: configuration.device)),
            .route(
                .v6(plan.router6(of: vtep), length: 128), metric: DataplaneConfiguration.defaultMetric6, .nexthop(id)),
        ]
    }

    /// The host's table lets packets from there in.
    func sender(_ vtep: IPAddress) -> KernelObject { .element(.vtep(vtep)) }

    func remote(_ route: RemoteRoute) -> [KernelObject] {
        let id = DataplaneConfiguration.nexthopID(of: route.block)
        let nexthop = Nexthop(
            id: id, vni: route.block.vni, source: configuration.vtep, vtep: route.vtep,
            gateway: route.vtep.tunnelGateway, device: configuration.device)
        guard !route.standby else { return [.nexthop(nexthop)] }
        return [
            .nexthop(nexthop),
            .route(
                plan.ipv4Prefix(of: route.block), metric: DataplaneConfiguration.defaultMetric4, .nexthop(id)),
            .route(
                plan.ipv6Prefix(of: route.block), metric: DataplaneConfiguration.defaultMetric6, .nexthop(id)),
        ]
    }

    func port(_ port: Port) -> [KernelObject] {
        let device = port.name
        let address4 = plan.ipv4(of: port.sni)
        let address6 = plan.ipv6(of: port.sni)
        let linkLocal = Self.linkLocal(of: port.mac)
        let vni = port.block.vni
        let neighbors: [KernelObject] = [
            // Alone in its network: with /64 the kernel would add two routes more for each port, and it compares each with
            // those of all other ports.
            .address(device: device, prefix: .v6(DataplaneConfiguration.gateway6, length: 128)),
            // All three that a guest may speak from are permanent, so no guest ever creates a neighbor entry.
            .neighbor(device: device, address: .v4(address4), mac: port.mac),
            .neighbor(device: device, address: .v6(address6), mac: port.mac),
            .neighbor(device: device, address: .v6(linkLocal), mac: port.mac),
        ]
        guard !port.standby else { return neighbors }
        let mtu = UInt16(clamping: configuration.mtu)
        return neighbors + [
            .route(
                .v4(address4, length: 32), metric: DataplaneConfiguration.defaultMetric4,
                .device(device, source: DataplaneConfiguration.gateway4, mtu: mtu)),
            .route(
                .v6(address6, length: 128), metric: DataplaneConfiguration.defaultMetric6,
                .device(device, source: nil, mtu: mtu)),
            .route(
                .v6(linkLocal, length: 128), metric: DataplaneConfiguration.defaultMetric6,
                .device(device, source: nil, mtu: mtu)),
            .element(.source4(device: device, address4)),
            .element(.source6(device: device, plan.ipv6Interval(of: port.sni).lowerBound)),
            .element(.arpSender(device: device, address4)),
            .element(.solicitor6(device: device, address6)),
            .element(.solicitor6(device: device, linkLocal)),
            .element(.ingress4(vni: vni, address4)),
            .element(.ingress6(vni: vni, address6)),
        ]
    }

    /// Lets in what stale senders still send to an identifier that moved; its more specific route does the rest.
    func forwarding(_ forwarding: Forwarding) -> [KernelObject] {
        let vni = forwarding.block.vni
        return [
            .element(.ingress4(vni: vni, plan.ipv4(of: forwarding.sni))),
            .element(.ingress6(vni: vni, plan.ipv6(of: forwarding.sni))),
        ]
    }

    /// Every ordered pair of two lists of ranges, both families.
    ///
    /// Overlapping and adjacent ranges are merged first: the kernel refuses overlapping elements, and fewer are faster.
    func pairs(from sources: [SNIRange], to destinations: [SNIRange]) -> Set<FilterElement> {
        let destinations = Self.merged(destinations)
        var result: Set<FilterElement> = []
        for source in Self.merged(sources) {
            for destination in destinations {
                result.insert(.pair4(plan.ipv4Interval(of: source), plan.ipv4Interval(of: destination)))
                result.insert(.pair6(plan.ipv6Interval(of: source), plan.ipv6Interval(of: destination)))
            }
        }
        return result
    }

    static func merged(_ ranges: [SNIRange]) -> [SNIRange] {
        var result: [SNIRange] = []
        for range in ranges.sorted() {
            guard let last = result.last, last.end >= range.first.rawValue else {
                result.append(range)
                continue
            }
            let end = max(last.end, range.end)
            result[result.count - 1] = SNIRange(
                unchecked: last.first.rawValue, count: Int(end - last.first.rawValue))
        }
        return result
    }

    /// Link-local address with the modified EUI-64 of a MAC address (RFC 4291 appendix A).
    static func linkLocal(of mac: MACAddress) -> IPv6Address {
        let high = mac.rawValue >> 24 ^ 0x02_0000
        return .linkLocal(high << 40 | 0xFF_FE00_0000 | mac.rawValue & 0xFF_FFFF)
    }
}
