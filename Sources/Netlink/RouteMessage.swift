import CNetlinkShim
import Dataplane
import Glibc
import NetworkTypes

/// One rtnetlink request, named for error messages.
struct RouteMessage {
    private enum Content {
        /// Built already; put into words only for an error, since that takes longer than the kernel's work.
        case bytes([UInt8], object: () -> String)
        /// The kind that a plan holds a hundred thousand of: built where it is sent, with no memory of its own.
        case route(outrider_route, deletes: Bool)
    }
    private let content: Content
    /// What it does, as a verb.
    let operation: String

    /// Lets a shim builder fill the message; its negative errno becomes an error.
    init(
        _ operation: String, _ object: @autoclosure @escaping () -> String,
        build: (UnsafeMutableRawPointer?, Int) -> Int32
    ) throws(NetlinkError) {
        let (bytes, result) = unsafe Self.built(build)
        _ = try checked(result, operation, object())
        content = .bytes(bytes, object: object)
        self.operation = operation
    }

    fileprivate init(_ operation: String, _ route: outrider_route, deletes: Bool) {
        content = .route(route, deletes: deletes)
        self.operation = operation
    }

    /// What it does it to.
    var object: String {
        switch content {
        case .bytes(_, let object): object()
        case .route(let route, _): route.words
        }
    }

    /// The whole message, header included, native byte order.
    var bytes: [UInt8] {
        switch content {
        case .bytes(let bytes, _): bytes
        case .route: unsafe Self.built { unsafe write(to: $0, capacity: $1) }.bytes
        }
    }

    /// Puts the message at `target`, which has room for the largest of ours and keeps zeros behind the message up to
    /// the next header.
    ///
    /// - Returns: its length, or a negative errno.
    func write(to target: UnsafeMutableRawPointer?, capacity: Int) -> Int32 {
        switch content {
        case .route(var route, let deletes):
            return unsafe deletes
                ? outrider_nl_route_delete(target, capacity, &route) : outrider_nl_route_put(target, capacity, &route)
        case .bytes(let bytes, _):
            guard let target = unsafe target, bytes.count + 3 <= capacity else { return -ENOBUFS }
            let room = unsafe UnsafeMutableRawBufferPointer(start: target, count: bytes.count + 3)
            unsafe room.copyBytes(from: bytes)
            for index in bytes.count..<room.count { unsafe room[index] = 0 }
            return Int32(bytes.count)
        }
    }

    private static func built(
        _ build: (UnsafeMutableRawPointer?, Int) -> Int32
    ) -> (bytes: [UInt8], result: Int32) {
        // Each keeps its own bytes and not the room for the largest.
        unsafe withUnsafeTemporaryAllocation(byteCount: Int(OUTRIDER_NL_MESSAGE_MAX), alignment: 8) { buffer in
            let result = unsafe build(buffer.baseAddress, buffer.count)
            return unsafe (Array(buffer[..<Int(max(result, 0))]), result)
        }
    }

    func error(code: Int32, detail: String) -> NetlinkError {
        NetlinkError(operation: operation, object: object, code: code, detail: detail)
    }
}

// MARK: - Addresses, neighbors

extension RouteMessage {
    /// IPv6 addresses are set without duplicate address detection: they are ours by construction.
    static func address(_ prefix: IPPrefix, index: Int, add: Bool) throws(NetlinkError) -> RouteMessage {
        var raw = outrider_address()
        raw.index = Int32(index)
        raw.family = prefix.family
        raw.prefix_length = UInt8(prefix.length)
        raw.protocol = DataplaneConfiguration.routeProtocol
        fill(&raw.address, with: prefix.bytes)
        return try unsafe RouteMessage(add ? "set address" : "delete address", "\(prefix)") {
            unsafe outrider_nl_address_change($0, $1, add ? 1 : 0, &raw)
        }
    }

    /// A permanent entry; without a MAC address the message deletes it.
    static func neighbor(
        _ address: IPAddress, index: Int, device: String, mac: MACAddress?
    ) throws(NetlinkError) -> RouteMessage {
        var raw = outrider_neighbor()
        raw.index = Int32(index)
        raw.family = address.hostPrefix.family
        fill(&raw.address, with: address.bytes)
        if let mac { fill(&raw.mac, with: mac.bytes) }
        let operation = mac == nil ? "delete neighbor" : "set neighbor"
        return try unsafe RouteMessage(operation, "\(address) on \(device)") {
            unsafe outrider_nl_neighbor_change($0, $1, mac == nil ? 0 : 1, &raw)
        }
    }
}

// MARK: - Nexthops, routes, VNIs

extension RouteMessage {
    static func nexthop(_ nexthop: Nexthop, index: Int) throws(NetlinkError) -> RouteMessage {
        var raw = outrider_nexthop()
        raw.id = nexthop.id
        raw.index = Int32(index)
        raw.protocol = DataplaneConfiguration.routeProtocol
        raw.vni = nexthop.vni.rawValue
        raw.outer_family = nexthop.vtep.hostPrefix.family
        fill(&raw.source, with: nexthop.source.bytes)
        fill(&raw.vtep, with: nexthop.vtep.bytes)
        fill(&raw.gateway, with: nexthop.gateway.bytes)
        return try unsafe RouteMessage("set nexthop", "\(nexthop.id) (VNI \(nexthop.vni) at \(nexthop.vtep))") {
            unsafe outrider_nl_nexthop_put($0, $1, &raw)
        }
    }

    static func deleteNexthop(_ id: UInt32) throws(NetlinkError) -> RouteMessage {
        try unsafe RouteMessage("delete nexthop", "\(id)") { unsafe outrider_nl_nexthop_delete($0, $1, id) }
    }

    /// - Parameter index: of the device, for ``RouteTarget/device(_:source:mtu:)``.
    static func route(_ prefix: IPPrefix, metric: UInt32, _ target: RouteTarget, index: Int?) -> RouteMessage {
        var raw = outrider_route(prefix, metric: metric)
        switch target {
        case .nexthop(let id):
            raw.target = Int32(OUTRIDER_ROUTE_NEXTHOP.rawValue)
            raw.nexthop = id
        case .device(_, let source, let mtu):
            raw.target = Int32(OUTRIDER_ROUTE_DEVICE.rawValue)
            raw.index = Int32(index ?? 0)
            if let source {
                raw.has_source = 1
                fill(&raw.source, with: source.bytes)
            }
            raw.mtu = UInt32(mtu ?? 0)
        case .unreachable:
            raw.target = Int32(OUTRIDER_ROUTE_UNREACHABLE.rawValue)
        }
        return RouteMessage("set route", raw, deletes: false)
    }

    /// Deletes our route only: the kernel compares the protocol number.
    static func deleteRoute(_ prefix: IPPrefix, metric: UInt32) -> RouteMessage {
        RouteMessage("delete route", outrider_route(prefix, metric: metric), deletes: true)
    }

    static func vni(_ vni: SessionNetworkID, index: Int, add: Bool) throws(NetlinkError) -> RouteMessage {
        try unsafe RouteMessage(add ? "add VNI" : "delete VNI", "\(vni)") {
            unsafe outrider_nl_vni_change($0, $1, add ? 1 : 0, Int32(index), vni.rawValue)
        }
    }
}

extension outrider_route {
    fileprivate init(_ prefix: IPPrefix, metric: UInt32) {
        self.init()
        family = prefix.family
        prefix_length = UInt8(prefix.length)
        self.protocol = DataplaneConfiguration.routeProtocol
        self.metric = metric
        fill(&destination, with: prefix)
    }

    fileprivate var words: String {
        let prefix = IPPrefix(family: family, bytes: content(destination), length: prefix_length)
        return "\(prefix.map(\.description) ?? "of family \(family)") metric \(metric)"
    }
}

// MARK: - Fields of C structs

extension IPPrefix {
    /// AF_INET or AF_INET6.
    var family: UInt8 {
        switch self {
        case .v4: UInt8(AF_INET)
        case .v6: UInt8(AF_INET6)
        }
    }

    /// From the fixed field of a shim struct.
    init?(family: UInt8, bytes: [UInt8], length: UInt8) {
        if Int32(family) == AF_INET, let address = IPv4Address(bytes: Array(bytes.prefix(4))) {
            self = .v4(address, length: Int(length))
        } else if Int32(family) == AF_INET6, let address = IPv6Address(bytes: bytes) {
            self = .v6(address, length: Int(length))
        } else {
            return nil
        }
    }

    var address: IPAddress {
        switch self {
        case .v4(let address, _): .v4(address)
        case .v6(let address, _): .v6(address)
        }
    }
}

extension IPAddress {
    /// From the fixed field of a shim struct; nil for no family.
    init?(family: UInt8, _ bytes: [UInt8]) {
        guard let prefix = IPPrefix(family: family, bytes: bytes, length: 0) else { return nil }
        self = prefix.address
    }
}

/// Copies bytes to the start of a C array member.
func fill<Field>(_ field: inout Field, with bytes: [UInt8]) {
    unsafe withUnsafeMutableBytes(of: &field) { unsafe $0.copyBytes(from: bytes.prefix($0.count)) }
}

/// Stores an address at the start of a C array member, in network order.
func fill<Field>(_ field: inout Field, with prefix: IPPrefix) {
    unsafe withUnsafeMutableBytes(of: &field) { bytes in
        switch prefix {
        case .v4(let address, _): unsafe bytes.storeBytes(of: address.rawValue.bigEndian, as: UInt32.self)
        case .v6(let address, _):
            unsafe bytes.storeBytes(of: address.high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }
}

/// The bytes of a C array member.
func content<Field>(_ field: Field) -> [UInt8] {
    unsafe withUnsafeBytes(of: field) { unsafe Array($0) }
}

/// The text of a C character array member.
func text<Field>(_ field: Field) -> String {
    String(decoding: content(field).prefix { $0 != 0 }, as: UTF8.self)
}

/// Calls `body` with a C string, or with a null pointer.
func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return unsafe text.withCString { unsafe body($0) }
}
