public import NetworkTypes

/// Where a service listens or is reached: `10.0.0.5:7400`, `[fd00::5]:7400`, or a DNS name and port.
public struct Endpoint: Hashable, Sendable {
    public enum Host: Hashable, Sendable {
        case ipv4(IPv4Address)
        case ipv6(IPv6Address)
        case name(String)
    }
    public var host: Host
    public var port: UInt16
    public init(host: Host, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// The address or name alone, an IPv6 address without brackets.
    public var hostText: String {
        switch host {
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        case .name(let name): name
        }
    }

    /// True for an address of the machine itself (127.0.0.0/8, ::1).
    public var isLoopback: Bool {
        switch host {
        case .ipv4(let address): address.rawValue >> 24 == 127
        case .ipv6(let address): address.high == 0 && address.low == 1
        case .name(let name): name == "localhost"
        }
    }
}

extension Endpoint: LosslessStringConvertible {
    public var description: String {
        if case .ipv6(let address) = host { return "[\(address)]:\(port)" }
        return "\(hostText):\(port)"
    }

    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        let host = String(text[..<colon])
        self.port = port
        if host.hasPrefix("["), host.hasSuffix("]"), let address = IPv6Address(String(host.dropFirst().dropLast())) {
            self.host = .ipv6(address)
        } else if let address = IPv4Address(host) {
            self.host = .ipv4(address)
        } else if Self.isName(host) {
            self.host = .name(host)
        } else {
            return nil
        }
    }

    /// RFC 1123 host name whose last label is not a number (else a mistyped address would be looked up in the DNS).
    private static func isName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...253).contains(text.utf8.count), let last = labels.last, Int(last) == nil else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { byte in
                    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                        || byte == UInt8(ascii: "-")
                }
        }
    }
}

extension ValueFormat where Value == Endpoint {
    /// Where to connect: a name is allowed.
    static var remoteEndpoint: Self {
        losslessText("ADDRESS:PORT, such as 10.0.0.5:7400 or [fd00::5]:7400 or name:7400")
    }
    /// Where to listen: only addresses, so that nothing is opened by accident of name resolution.
    static var listenEndpoint: Self {
        Self(
            expected: "ADDRESS:PORT with an IP address, such as 10.0.0.5:7400 or [fd00::5]:7400",
            parse: { text in
                guard let endpoint = Endpoint(text) else { return nil }
                if case .name = endpoint.host { return nil }
                return endpoint
            }, print: { $0.description })
    }
}
