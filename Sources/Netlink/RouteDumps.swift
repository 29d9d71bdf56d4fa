import CNetlinkShim
import Dataplane
import Glibc
public import NetworkTypes

/// Rows as the kernel has them, device indexes not yet turned into names.
extension RouteSocket {
    /// Addresses of every device. The kernel's own (loopback, link-local) are among them.
    public func addresses() throws(NetlinkError) -> [(index: Int, prefix: IPPrefix)] {
        let message = try unsafe RouteMessage("list addresses", "") { unsafe outrider_nl_address_dump($0, $1) }
        return try dump(message) { (answer) throws(NetlinkError) in
            guard answer.type == 20 else { return nil }
            var raw = outrider_address()
            let result = unsafe answer.bytes.withUnsafeBytes {
                unsafe outrider_nl_address_parse($0.baseAddress, $0.count, &raw)
            }
            _ = try checked(result, "read address")
            let prefix = IPPrefix(family: raw.family, bytes: content(raw.address), length: raw.prefix_length)
            return prefix.map { (Int(raw.index), $0) }
        }
    }

    /// Neighbor entries of both families, without the kernel's own for group and loopback addresses (NUD_NOARP).
    public func neighbors() throws(NetlinkError) -> [NeighborRow] {
        let message = try unsafe RouteMessage("list neighbors", "") { unsafe outrider_nl_neighbor_dump($0, $1) }
        return try dump(message) { (answer) throws(NetlinkError) in
            guard answer.type == 28 else { return nil }
            var raw = outrider_neighbor()
            let result = unsafe answer.bytes.withUnsafeBytes {
                unsafe outrider_nl_neighbor_parse($0.baseAddress, $0.count, &raw)
            }
            _ = try checked(result, "read neighbor")
            let length: UInt8 = Int32(raw.family) == AF_INET ? 32 : 128
            guard raw.state & 0x40 == 0,
                let prefix = IPPrefix(family: raw.family, bytes: content(raw.address), length: length)
            else { return nil }
            return NeighborRow(
                index: Int(raw.index), address: prefix.address,
                mac: raw.has_mac == 1 ? MACAddress(bytes: content(raw.mac)) : nil, isPermanent: raw.state & 0x80 != 0)
        }
    }

    /// Nexthop objects of every protocol.
    public func nexthops() throws(NetlinkError) -> [NexthopRow] {
        let message = try unsafe RouteMessage("list nexthops", "") { unsafe outrider_nl_nexthop_dump($0, $1) }
        return try dump(message) { (answer) throws(NetlinkError) in
            guard answer.type == 104 else { return nil }
            var raw = outrider_nexthop()
            let result = unsafe answer.bytes.withUnsafeBytes {
                unsafe outrider_nl_nexthop_parse($0.baseAddress, $0.count, &raw)
            }
            _ = try checked(result, "read nexthop")
            var row = NexthopRow(id: raw.id, protocolNumber: raw.protocol)
            if raw.foreign == 0, let vni = SessionNetworkID(raw.vni),
                let source = IPAddress(family: raw.outer_family, content(raw.source)),
                let vtep = IPAddress(family: raw.outer_family, content(raw.vtep)),
                let gateway = IPv6Address(bytes: content(raw.gateway))
            {
                row.tunnel = NexthopRow.Tunnel(
                    vni: vni, source: source, vtep: vtep, gateway: gateway, index: Int(raw.index))
            }
            return row
        }
    }

    /// Routes of the main table, both families, every protocol but the kernel's own.
    public func routes() throws(NetlinkError) -> [RouteRow] {
        try routes(family: UInt8(AF_INET)) + routes(family: UInt8(AF_INET6))
    }

    private func routes(family: UInt8) throws(NetlinkError) -> [RouteRow] {
        let message = try unsafe RouteMessage("list routes", "") {
            unsafe outrider_nl_route_dump($0, $1, family, 0)
        }
        do throws(NetlinkError) {
            return try dump(message, Self.route(of:))
        } catch {
            // Strict checking answers so while the family's main table has never been used.
            guard error.code == ENOENT else { throw error }
            return []
        }
    }

    /// Nil for the kernel's own routes and for those of other tables.
    static func route(of answer: NetlinkAnswer) throws(NetlinkError) -> RouteRow? {
        // RTM_NEWROUTE, and in notifications RTM_DELROUTE.
        guard answer.type == 24 || answer.type == 25 else { return nil }
        var raw = outrider_route()
        let result = unsafe answer.bytes.withUnsafeBytes {
            unsafe outrider_nl_route_parse($0.baseAddress, $0.count, &raw)
        }
        _ = try checked(result, "read route")
        guard raw.protocol != 2, raw.table == 254,
            let prefix = IPPrefix(
                family: raw.family, bytes: content(raw.destination), length: raw.prefix_length)
        else { return nil }
        var row = RouteRow(prefix: prefix, metric: raw.metric, protocolNumber: raw.protocol, target: nil)
        guard raw.foreign == 0 else { return row }
        switch raw.target {
        case Int32(OUTRIDER_ROUTE_NEXTHOP.rawValue): row.target = .nexthop(raw.nexthop)
        case Int32(OUTRIDER_ROUTE_UNREACHABLE.rawValue): row.target = .unreachable
        default:
            let source = raw.has_source == 1 ? IPv4Address(bytes: Array(content(raw.source).prefix(4))) : nil
            // An IPv6 preferred source is nothing that we write.
            if raw.has_source == 0 || Int32(raw.family) == AF_INET {
                row.target = .device(
                    index: Int(raw.index), source: source, mtu: raw.mtu == 0 ? nil : UInt16(clamping: raw.mtu))
            }
        }
        return row
    }

    /// VNIs in the filter of a device; those above 24 bits, which the kernel takes too, are left out.
    public func vnis(index: Int) throws(NetlinkError) -> [SessionNetworkID] {
        var result: [SessionNetworkID] = []
        for entry in try vniEntries(index: index, counters: false) {
            let last = min(entry.last, SessionNetworkID.max.rawValue)
            guard entry.first <= last else { continue }
            guard Int(last - entry.first) + result.count < Self.vnisMax else {
                throw NetlinkError(
                    operation: "list VNIs", object: "\(entry.first)-\(entry.last)", code: E2BIG,
                    detail: "more than \(Self.vnisMax) VNIs in the filter",
                    advice: "somebody else filled the device's filter; delete the device or these VNIs")
            }
            result += (entry.first...last).map { SessionNetworkID(unchecked: $0) }
        }
        return result
    }

    /// No host leases more blocks than this; a filter with more was not filled by us and would cost gigabytes to list.
    private static let vnisMax = 1 << 20

    /// The VNI of a notification about a VNI filter.
    static func vni(of answer: NetlinkAnswer) throws(NetlinkError) -> SessionNetworkID? {
        var device: Int32 = 0
        var entry = outrider_vni()
        let count = unsafe answer.bytes.withUnsafeBytes {
            unsafe outrider_nl_vni_parse($0.baseAddress, $0.count, &entry, 1, &device)
        }
        guard try checked(count, "read VNI") > 0 else { return nil }
        return SessionNetworkID(entry.first)
    }

    func vniEntries(index: Int, counters: Bool) throws(NetlinkError) -> [outrider_vni] {
        let message = try unsafe RouteMessage("list VNIs", "of device \(index)") {
            unsafe outrider_nl_vni_dump($0, $1, Int32(index), counters ? 1 : 0)
        }
        var entries: [outrider_vni] = []
        for answer in try socket.dump(message.bytes, operation: message.operation) where answer.type == 120 {
            // One entry takes at least an attribute header and a VNI attribute.
            let capacity = answer.bytes.count / 12
            var device: Int32 = 0
            var result: Int32 = 0
            let part = unsafe [outrider_vni](unsafeUninitializedCapacity: capacity) { buffer, count in
                result = unsafe answer.bytes.withUnsafeBytes {
                    unsafe outrider_nl_vni_parse($0.baseAddress, $0.count, buffer.baseAddress, capacity, &device)
                }
                count = Int(max(result, 0))
            }
            _ = try checked(result, "read VNI")
            if Int(device) == index { entries += part }
        }
        return entries
    }
}

/// A neighbor entry.
public struct NeighborRow: Hashable, Sendable {
    public var index: Int
    public var address: IPAddress
    public var mac: MACAddress?
    /// NUD_PERMANENT.
    public var isPermanent: Bool
}

/// A nexthop object.
public struct NexthopRow: Hashable, Sendable {
    public var id: UInt32
    public var protocolNumber: UInt8
    /// Set for an object of the one form that we write.
    public var tunnel: Tunnel?

    /// Encapsulation, gateway and device of that form.
    public struct Tunnel: Hashable, Sendable {
        public var vni: SessionNetworkID
        public var source: IPAddress
        public var vtep: IPAddress
        public var gateway: IPv6Address
        public var index: Int
    }
}

/// A route of the main table.
public struct RouteRow: Hashable, Sendable {
    public var prefix: IPPrefix
    public var metric: UInt32
    public var protocolNumber: UInt8
    /// Nil for a form that we never write.
    public var target: Target?

    public enum Target: Hashable, Sendable {
        case nexthop(UInt32)
        case device(index: Int, source: IPv4Address?, mtu: UInt16?)
        case unreachable
    }
}
