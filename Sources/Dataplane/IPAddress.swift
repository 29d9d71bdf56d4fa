public import NetworkTypes

/// An address of either family: part of a neighbor's key.
public enum IPAddress: Hashable, Comparable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// Network order, 4 or 16 bytes.
    public var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let address): address.bytes
        }
    }

    /// The /32 or /128 of this address.
    public var hostPrefix: IPPrefix {
        switch self {
        case .v4(let address): .v4(address, length: 32)
        case .v6(let address): .v6(address, length: 128)
        }
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}
