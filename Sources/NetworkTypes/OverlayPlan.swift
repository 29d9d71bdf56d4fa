/// How identifiers become addresses (`docs/design.md`, "Addresses and the wire").
///
/// IPv4 is a base prefix plus the identifier as host bits (`10.<SNI>` by default); IPv6 is a ULA /48 (RFC 4193), the
/// identifier in the next 24 bits, and interface id 1. Address, identifier and owner are arithmetic in both directions.
public struct OverlayPlan: Hashable, Sendable {
    /// IPv4 prefix of the overlay; its host bits hold the identifier.
    public let ipv4: IPPrefix
    /// IPv6 ULA prefix, 48 bits long.
    public let ipv6: IPPrefix

    /// Nil unless `ipv4` is a canonical IPv4 prefix of 8 bits or more and `ipv6` a canonical /48 inside fd00::/8.
    public init?(ipv4: IPPrefix, ipv6: IPPrefix) {
        guard case .v4(_, let length) = ipv4, (8...24).contains(length), ipv4.isCanonical else { return nil }
        guard case .v6(let ula, 48) = ipv6, ipv6.isCanonical, ula.high >> 56 == 0xfd else { return nil }
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }

    /// `10.0.0.0/8` and `fd53:4e49:5349::/48`.
    public static let standard: OverlayPlan = {
        let v6 = IPPrefix.v6(IPv6Address(high: 0xfd53_4e49_5349_0000, low: 0), length: 48)
        guard let plan = OverlayPlan(ipv4: .v4(IPv4Address(10 << 24), length: 8), ipv6: v6) else {
            preconditionFailure("the built-in plan is not valid")
        }
        return plan
    }()

    /// Identifiers that have an IPv4 address: all those whose number fits the host bits.
    public var capacity: Int { 1 << (32 - ipv4.length) }

    /// Address of one identifier. The identifier must be below ``capacity``.
    public func ipv4(of sni: SessionNetworkID) -> IPv4Address {
        guard case .v4(let base, _) = ipv4 else { preconditionFailure("plan without IPv4") }
        precondition(Int(sni.rawValue) < capacity, "SNI \(sni) does not fit \(ipv4)")
        return IPv4Address(base.rawValue | sni.rawValue)
    }

    /// Address of one identifier: prefix, identifier, interface id 1.
    public func ipv6(of sni: SessionNetworkID) -> IPv6Address {
        let network = ipv6Network(of: sni)
        return IPv6Address(high: network.high, low: network.low | 1)
    }

    private func ipv6Network(of sni: SessionNetworkID) -> IPv6Address {
        guard case .v6(let base, _) = ipv6 else { preconditionFailure("plan without IPv6") }
        let id = UInt64(sni.rawValue)
        return IPv6Address(high: base.high | id >> 8, low: (id & 0xFF) << 56)
    }

    /// The identifier behind an IPv4 address, or nil when it is not of this overlay.
    public func identifier(of address: IPv4Address) -> SessionNetworkID? {
        guard IPPrefix.v4(address, length: ipv4.length).masked == ipv4 else { return nil }
        return SessionNetworkID(address.rawValue & UInt32(capacity - 1))
    }

    /// The identifier whose /72 holds an IPv6 address, or nil when it is not of this overlay.
    public func identifier(of address: IPv6Address) -> SessionNetworkID? {
        guard IPPrefix.v6(address, length: 48).masked == ipv6 else { return nil }
        return SessionNetworkID(UInt32(address.high & 0xFFFF) << 8 | UInt32(address.low >> 56))
    }

    /// The route of a block, IPv4: `/(32-k)`.
    public func ipv4Prefix(of block: SNIBlock) -> IPPrefix { .v4(ipv4(of: block.first), length: 32 - block.order) }
    /// The route of a block, IPv6: `/(72-k)`.
    public func ipv6Prefix(of block: SNIBlock) -> IPPrefix {
        .v6(ipv6Network(of: block.first), length: 72 - block.order)
    }
    /// First and last IPv4 address of a range, inclusive.
    public func ipv4Interval(of range: SNIRange) -> ClosedRange<IPv4Address> {
        ipv4(of: range.first)...ipv4(of: range.last)
    }
    /// First and last IPv6 address of a range, inclusive, with all 56 interface bits.
    public func ipv6Interval(of range: SNIRange) -> ClosedRange<IPv6Address> {
        let last = ipv6Network(of: range.last)
        return ipv6Network(of: range.first)...IPv6Address(high: last.high, low: last.low | (1 << 56 - 1))
    }
    /// The /72 that one identifier may send from.
    public func ipv6Interval(of sni: SessionNetworkID) -> ClosedRange<IPv6Address> {
        ipv6Interval(of: SNIRange(unchecked: sni.rawValue, count: 1))
    }
}

// MARK: - Addresses of hosts

/// What a host calls itself towards VMs of other hosts: the source of its ICMP errors (time exceeded, too big). It must be
/// an address that the receiving host does not take for its own and that no VM has.
extension OverlayPlan {
    /// Link-local (RFC 3927), as the gateway: no identifier is spent. See ``IPAddress/overlayRouter4``.
    public static let routerPrefix4 = IPPrefix.v4(IPv4Address(0xA9FE_0000), length: 16)
    /// The /72 of identifier 0, which is never handed out.
    public var routerPrefix6: IPPrefix { .v6(ipv6Network(of: SessionNetworkID(unchecked: 0)), length: 72) }
    /// A host's address in ``routerPrefix6``: its interface id is the endpoint's ``IPAddress/tunnelMAC``.
    public func router6(of vtep: IPAddress) -> IPv6Address {
        let network = ipv6Network(of: SessionNetworkID(unchecked: 0))
        return IPv6Address(high: network.high, low: network.low | vtep.tunnelMAC.rawValue)
    }
}
