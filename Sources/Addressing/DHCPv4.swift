public import NetworkTypes

/// DHCP (RFC 2131, options RFC 2132) for the one VM of a port: the address that belongs to the port, or nothing.
///
/// No state: a reply follows from the request and the port. What is not a request of a client on this link (relayed,
/// of another link address, cut off) gets none.
///
/// | message | reply |
/// |---|---|
/// | DISCOVER | OFFER |
/// | REQUEST of another server's offer | none |
/// | REQUEST for the port's address, from any state | ACK |
/// | REQUEST for another address | NAK, by broadcast |
/// | INFORM | ACK without address and lease |
/// | DECLINE, RELEASE | none: the address stays the port's |
public enum DHCPv4 {
    public static let serverPort: UInt16 = 67
    public static let clientPort: UInt16 = 68

    public struct Reply: Hashable, Sendable {
        public enum Destination: Hashable, Sendable {
            /// 255.255.255.255, on the port alone.
            case broadcast
            case unicast(IPv4Address)
        }
        /// Payload of the datagram.
        public var bytes: [UInt8]
        public var destination: Destination
    }

    /// Options' codes that are read or written here.
    enum Code {
        static let mask: UInt8 = 1
        static let router: UInt8 = 3
        static let dns: UInt8 = 6
        static let mtu: UInt8 = 26
        static let requested: UInt8 = 50
        static let lease: UInt8 = 51
        static let kind: UInt8 = 53
        static let server: UInt8 = 54
        static let client: UInt8 = 61
        static let routes: UInt8 = 121
    }

    enum Kind: UInt8 {
        case discover = 1
        case offer, request, decline, ack, nak, release, inform
    }

    private static let cookie: UInt32 = 0x6382_5363
    /// Clients need not take more than this before they said so, nor less in a BOOTP frame.
    private static let lengthMin = 300

    /// A client's message, as far as the answer depends on it.
    struct Request {
        var transaction: UInt32
        var seconds: UInt16
        var flags: UInt16
        var client: IPv4Address
        /// All 16 bytes of the field.
        var hardware: ArraySlice<UInt8>
        var options: [UInt8: [UInt8]]

        var wantsBroadcast: Bool { flags & 0x8000 != 0 }
        func address(_ code: UInt8) -> IPv4Address? { options[code].flatMap { IPv4Address(bytes: $0) } }

        init?(_ bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            // BOOTREQUEST on Ethernet.
            guard let head = reader.take(4), head.elementsEqual([1, 1, 6, 0]),
                let transaction = reader.number(UInt32.self), let seconds = reader.number(UInt16.self),
                let flags = reader.number(UInt16.self), let client = reader.number(UInt32.self),
                reader.take(8) != nil, let relay = reader.number(UInt32.self), relay == 0,
                let hardware = reader.take(16), reader.take(64 + 128) != nil,
                reader.number(UInt32.self) == DHCPv4.cookie, let options = Self.options(&reader)
            else { return nil }
            self.transaction = transaction
            self.seconds = seconds
            self.flags = flags
            self.client = IPv4Address(client)
            self.hardware = hardware
            self.options = options
        }

        /// Nil unless they end in their end mark; one that is given in parts is put together (RFC 3396).
        private static func options(_ reader: inout ByteReader) -> [UInt8: [UInt8]]? {
            var options: [UInt8: [UInt8]] = [:]
            while let code = reader.number(UInt8.self) {
                if code == 0 { continue }
                if code == 255 { return options }
                guard let length = reader.number(UInt8.self), let value = reader.take(Int(length)) else { return nil }
                options[code, default: []] += value
            }
            return nil
        }
    }

    /// The reply to a datagram that came to ``serverPort``, or nil when there is none.
    public static func reply(to bytes: [UInt8], for port: GuestPort, _ plan: AddressingPlan) -> Reply? {
        guard let request = Request(bytes), request.hardware.prefix(6).elementsEqual(port.mac.bytes),
            let code = request.options[Code.kind], code.count == 1, let kind = Kind(rawValue: code[0])
        else { return nil }
        if let server = request.address(Code.server), server != plan.gateway4 { return nil }
        switch kind {
        case .discover: return answer(request, .offer, port, plan)
        case .request:
            let wanted = request.client.rawValue != 0 ? request.client : request.address(Code.requested)
            // Without any address it is no request of this protocol's.
            guard let wanted else { return nil }
            return answer(request, wanted == port.ipv4 ? .ack : .nak, port, plan)
        case .inform: return request.client == port.ipv4 ? answer(request, .ack, port, plan, isInform: true) : nil
        case .offer, .decline, .ack, .nak, .release: return nil
        }
    }

    private static func answer(
        _ request: Request, _ kind: Kind, _ port: GuestPort, _ plan: AddressingPlan, isInform: Bool = false
    ) -> Reply {
        var bytes: [UInt8] = [2, 1, 6, 0]
        bytes.append(network: request.transaction)
        bytes.append(network: UInt16(0))
        bytes.append(network: request.flags)
        bytes += kind == .nak ? [0, 0, 0, 0] : request.client.bytes
        bytes += kind == .nak || isInform ? [0, 0, 0, 0] : port.ipv4.bytes
        bytes += [UInt8](repeating: 0, count: 8)
        bytes += request.hardware
        bytes += [UInt8](repeating: 0, count: 64 + 128)
        bytes.append(network: cookie)
        bytes += [Code.kind, 1, kind.rawValue, Code.server, 4] + plan.gateway4.bytes
        if kind != .nak { bytes += configuration(port, plan, withLease: !isInform) }
        // RFC 6842: a client that names itself hears its name.
        if let name = request.options[Code.client], name.count <= 255 {
            bytes += [Code.client, UInt8(name.count)] + name
        }
        bytes.append(255)
        if bytes.count < lengthMin { bytes += [UInt8](repeating: 0, count: lengthMin - bytes.count) }
        return Reply(bytes: bytes, destination: destination(of: request, kind, port))
    }

    private static func configuration(_ port: GuestPort, _ plan: AddressingPlan, withLease: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        if withLease {
            bytes += [Code.lease, 4]
            bytes.append(network: UInt32(AddressingPlan.lease.components.seconds))
        }
        // Nothing else is on the link: the gateway by a route of its own, all else through it (RFC 3442). A client that
        // knows these routes ignores the router option.
        bytes += [Code.mask, 4, 255, 255, 255, 255, Code.router, 4] + plan.gateway4.bytes
        bytes += [Code.routes, 14, 32] + plan.gateway4.bytes + [0, 0, 0, 0, 0] + plan.gateway4.bytes
        bytes += [Code.mtu, 2]
        bytes.append(network: UInt16(clamping: port.mtu))
        if !plan.dns4.isEmpty { bytes += [Code.dns, UInt8(4 * plan.dns4.count)] + plan.dns4.flatMap(\.bytes) }
        return bytes
    }

    /// RFC 2131 section 4.1.
    private static func destination(of request: Request, _ kind: Kind, _ port: GuestPort) -> Reply.Destination {
        if kind == .nak { return .broadcast }
        if request.client == port.ipv4 { return .unicast(port.ipv4) }
        return request.wantsBroadcast ? .broadcast : .unicast(port.ipv4)
    }
}
