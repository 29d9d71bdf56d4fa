public import Dataplane
import NetworkTypes

extension KernelDataplane {
    /// What the kernel has now, of the given kinds.
    ///
    /// One dump can be short while the kernel changes, without a mark; ``Tracker`` never deletes on one dump's word.
    public func dump(_ kinds: [KernelKind] = KernelKind.all) throws(NetlinkError) -> KernelDump {
        let links = try route.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        var objects: [ObservedObject] = []
        for kind in Set(kinds).sorted() {
            switch kind {
            case .vni: objects += try observedVNIs(links)
            case .neighbor: objects += try observedNeighbors(names)
            case .nexthop: objects += try route.nexthops().map { Self.observed($0, names) }
            case .route: objects += try route.routes().map { Self.observed($0, names) }
            case .address: objects += try observedAddresses(names)
            case .element(let set):
                let tables = set.isUnderlay ? underlayTables : overlayTables
                objects += try tables.dump(set).map { ObservedObject(.element($0)) }
            }
        }
        return KernelDump(kinds: Set(kinds), objects: objects)
    }

    private func observedVNIs(_ links: [Link]) throws(NetlinkError) -> [ObservedObject] {
        guard let device = links.first(where: { $0.name == configuration.device }), device.vxlan?.isFiltered == true
        else { return [] }
        return try route.vnis(index: device.index).map { ObservedObject(.vni($0)) }
    }

    private func observedNeighbors(_ names: [Int: String]) throws(NetlinkError) -> [ObservedObject] {
        try route.neighbors().compactMap { row in
            guard let name = names[row.index] else { return nil }
            return ObservedObject(
                key: .neighbor(device: name, address: row.address),
                object: row.mac.map { .neighbor(device: name, address: row.address, mac: $0) },
                origin: .neighbor(permanent: row.isPermanent))
        }
    }

    private func observedAddresses(_ names: [Int: String]) throws(NetlinkError) -> [ObservedObject] {
        try route.addresses().compactMap { row in
            names[row.index].map { ObservedObject(.address(device: $0, prefix: row.prefix)) }
        }
    }

    private static func observed(_ row: NexthopRow, _ names: [Int: String]) -> ObservedObject {
        var object: KernelObject?
        if let tunnel = row.tunnel, let device = names[tunnel.index] {
            object = .nexthop(
                Nexthop(
                    id: row.id, vni: tunnel.vni, source: tunnel.source, vtep: tunnel.vtep, gateway: tunnel.gateway,
                    device: device))
        }
        return ObservedObject(
            key: .nexthop(row.id), object: object, origin: .routing(protocolNumber: row.protocolNumber))
    }

    private static func observed(_ row: RouteRow, _ names: [Int: String]) -> ObservedObject {
        let target: RouteTarget? =
            switch row.target {
            case .nexthop(let id): .nexthop(id)
            case .unreachable: .unreachable
            case .device(let index, let source, let mtu): names[index].map { .device($0, source: source, mtu: mtu) }
            case nil: nil
            }
        return ObservedObject(
            key: .route(row.prefix, metric: row.metric),
            object: target.map { .route(row.prefix, metric: row.metric, $0) },
            origin: .routing(protocolNumber: row.protocolNumber))
    }
}
