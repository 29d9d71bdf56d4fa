public import NetworkTypes

/// DHCPv6 (RFC 8415) for the one VM of a port: the address that belongs to the port, or nothing.
///
/// No state: a reply follows from the request and the port.
///
/// | message | reply |
/// |---|---|
/// | SOLICIT | ADVERTISE, or REPLY when the client agrees to a rapid commit |
/// | REQUEST, RENEW, REBIND | REPLY with the address; any other that the client names gets lifetimes of 0 |
/// | CONFIRM | REPLY: success when all addresses are the port's, else not on link |
/// | RELEASE, DECLINE | REPLY: success; the address stays the port's |
/// | INFORMATION-REQUEST | REPLY with what has no address |
/// | to another server, relayed, cut off, for a temporary address or a prefix | none, or that it has none |
public enum DHCPv6 {
    public static let serverPort: UInt16 = 547
    public static let clientPort: UInt16 = 546
    /// All DHCP relay agents and servers of the link.
    public static let servers = IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x0001_0002)

    private enum Kind: UInt8 {
        case solicit = 1
        case advertise, request, confirm, renew, rebind, reply, release, decline
        case information = 11
    }
    private enum Code {
        static let client: UInt16 = 1
        static let server: UInt16 = 2
        static let association: UInt16 = 3
        static let temporary: UInt16 = 4
        static let address: UInt16 = 5
        static let preference: UInt16 = 7
        static let status: UInt16 = 13
        static let rapidCommit: UInt16 = 14
        static let dns: UInt16 = 23
        static let prefix: UInt16 = 25
    }
    private enum Status {
        static let success: UInt16 = 0
        static let noAddresses: UInt16 = 2
        static let notOnLink: UInt16 = 4
        static let noPrefix: UInt16 = 6
    }
    /// Identity associations that one message may ask for; a VM has one interface here.
    private static let associationsMax = 8

    private struct Option {
        var code: UInt16
        var value: ArraySlice<UInt8>

        /// Nil when they do not fill the bytes.
        static func all(_ bytes: ArraySlice<UInt8>) -> [Option]? {
            var reader = ByteReader(bytes)
            var options: [Option] = []
            while reader.count > 0 {
                guard let code = reader.number(UInt16.self), let length = reader.number(UInt16.self),
                    let value = reader.take(Int(length))
                else { return nil }
                options.append(Option(code: code, value: value))
            }
            return options
        }
    }

    /// An IA_NA, IA_TA or IA_PD of a request.
    private struct Association {
        var code: UInt16
        var identifier: UInt32
        var addresses: [IPv6Address]

        init?(_ option: Option) {
            var reader = ByteReader(option.value)
            guard let identifier = reader.number(UInt32.self),
                option.code == Code.temporary || reader.take(8) != nil,
                let inner = reader.take(reader.count), let options = Option.all(inner)
            else { return nil }
            code = option.code
            self.identifier = identifier
            addresses = []
            for part in options where part.code == Code.address {
                guard part.value.count >= 24, let address = IPv6Address(bytes: Array(part.value.prefix(16))) else {
                    return nil
                }
                addresses.append(address)
            }
        }
    }

    private struct Request {
        var kind: Kind
        /// Three bytes.
        var transaction: ArraySlice<UInt8>
        var client: ArraySlice<UInt8>?
        var server: ArraySlice<UInt8>?
        var associations: [Association] = []
        var agreesToRapidCommit = false

        init?(_ bytes: [UInt8]) {
            guard bytes.count >= 4, let kind = Kind(rawValue: bytes[0]), let options = Option.all(bytes[4...]) else {
                return nil
            }
            self.kind = kind
            transaction = bytes[1..<4]
            for option in options {
                switch option.code {
                case Code.client:
                    guard client == nil, (3...130).contains(option.value.count) else { return nil }
                    client = option.value
                case Code.server:
                    guard server == nil else { return nil }
                    server = option.value
                case Code.rapidCommit: agreesToRapidCommit = true
                case Code.association, Code.temporary, Code.prefix:
                    guard associations.count < associationsMax, let association = Association(option) else {
                        return nil
                    }
                    associations.append(association)
                default: break
                }
            }
        }
    }

    /// The server's name, the same on every host (DUID-LL of the gateway, RFC 8415 section 11.4).
    static func serverName(_ plan: AddressingPlan) -> [UInt8] { [0, 3, 0, 1] + plan.gatewayMAC.bytes }

    /// The payload of the reply to a datagram that came to ``serverPort``, for ``clientPort`` of its sender, or nil when
    /// there is none.
    public static func reply(to bytes: [UInt8], for port: GuestPort, _ plan: AddressingPlan) -> [UInt8]? {
        guard let request = Request(bytes), let kind = answerKind(request, plan) else { return nil }
        var reply = [kind.rawValue] + request.transaction
        if let client = request.client { append(Code.client, client, to: &reply) }
        append(Code.server, serverName(plan), to: &reply)
        switch request.kind {
        case .solicit, .request, .renew, .rebind:
            for association in request.associations { append(association, port, to: &reply) }
            if request.kind == .solicit {
                if kind == .reply { append(Code.rapidCommit, [], to: &reply) }
                // No other server may be better.
                append(Code.preference, [255], to: &reply)
            }
        case .confirm:
            let named = request.associations.flatMap(\.addresses)
            guard !named.isEmpty else { return nil }
            let status = named.allSatisfy { $0 == port.ipv6 } ? Status.success : Status.notOnLink
            append(Code.status, text(status), to: &reply)
        case .release, .decline: append(Code.status, text(Status.success), to: &reply)
        default: break
        }
        if !plan.dns6.isEmpty { append(Code.dns, plan.dns6.flatMap(\.bytes), to: &reply) }
        return reply
    }

    /// What the message is answered with; nil for one that must be discarded (RFC 8415 section 16).
    private static func answerKind(_ request: Request, _ plan: AddressingPlan) -> Kind? {
        let isToUs = request.server.map { $0.elementsEqual(serverName(plan)) }
        switch request.kind {
        case .solicit:
            guard request.client != nil, isToUs == nil else { return nil }
            return request.agreesToRapidCommit ? .reply : .advertise
        case .request, .renew, .release, .decline: return request.client != nil && isToUs == true ? .reply : nil
        case .confirm, .rebind: return request.client != nil && isToUs == nil ? .reply : nil
        case .information: return isToUs ?? true && request.associations.isEmpty ? .reply : nil
        case .advertise, .reply: return nil
        }
    }

    private static func append(_ association: Association, _ port: GuestPort, to reply: inout [UInt8]) {
        var value: [UInt8] = []
        value.append(network: association.identifier)
        guard association.code == Code.association else {
            let isPrefix = association.code == Code.prefix
            if isPrefix { value += [UInt8](repeating: 0, count: 8) }
            append(Code.status, text(isPrefix ? Status.noPrefix : Status.noAddresses), to: &value)
            return append(association.code, value, to: &reply)
        }
        // Times to renew: the client's own, of lifetimes that never end.
        value += [UInt8](repeating: 0, count: 8)
        append(Code.address, port.ipv6.bytes + [UInt8](repeating: 0xFF, count: 8), to: &value)
        for stranger in association.addresses where stranger != port.ipv6 {
            append(Code.address, stranger.bytes + [UInt8](repeating: 0, count: 8), to: &value)
        }
        append(association.code, value, to: &reply)
    }

    private static func text(_ status: UInt16) -> [UInt8] { [UInt8(status >> 8), UInt8(status & 0xFF)] }

    private static func append(_ code: UInt16, _ value: some Collection<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(network: code)
        bytes.append(network: UInt16(clamping: value.count))
        bytes += value
    }
}
