/// An IP prefix of either family: the key of a route, address or neighbor.
public enum IPPrefix: Hashable, Comparable, Sendable {
    case v4(IPv4Address, length: Int)
    case v6(IPv6Address, length: Int)

    /// Prefix length in bits.
    public var length: Int {
        switch self {
        case .v4(_, let length), .v6(_, let length): length
        }
    }

    /// The address, host bits included.
    public var address: IPAddress {
        switch self {
        case .v4(let address, _): .v4(address)
        case .v6(let address, _): .v6(address)
        }
    }

    /// True when no host bit is set and the length fits the family.
    public var isCanonical: Bool { self == masked }

    /// The same prefix with its host bits cleared.
    public var masked: IPPrefix {
        switch self {
        case .v4(let address, let length):
            let mask: UInt32 = length <= 0 ? 0 : length >= 32 ? .max : ~(UInt32.max >> UInt32(length))
            return .v4(IPv4Address(address.rawValue & mask), length: min(max(length, 0), 32))
        case .v6(let address, let length):
            let bits = min(max(length, 0), 128)
            let high: UInt64 = bits == 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits))
            let low: UInt64 = bits <= 64 ? 0 : bits >= 128 ? .max : ~(UInt64.max >> UInt64(bits - 64))
            return .v6(IPv6Address(high: address.high & high, low: address.low & low), length: bits)
        }
    }

    /// Address bytes in network order (4 or 16).
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address, _): address.bytes
        case .v6(let address, _): address.bytes
        }
    }
}

extension IPPrefix: TextCodable {
    public var description: String {
        switch self {
        case .v4(let address, let length): "\(address)/\(length)"
        case .v6(let address, let length): "\(address)/\(length)"
        }
    }

    /// `ADDRESS/LENGTH`, or a bare address for a host prefix.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first else { return nil }
        let length = parts.count == 2 ? Int(parts[1]) : nil
        if parts.count == 2, length == nil { return nil }
        if let address = IPv4Address(String(first)) {
            guard (0...32).contains(length ?? 32) else { return nil }
            self = .v4(address, length: length ?? 32)
        } else if let address = IPv6Address(String(first)) {
            guard (0...128).contains(length ?? 128) else { return nil }
            self = .v6(address, length: length ?? 128)
        } else {
            return nil
        }
    }
}
