/// An address of either family: a tunnel endpoint, or part of a neighbor's key.
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

    /// Nil unless exactly four or sixteen bytes, network order.
    public init?(bytes: [UInt8]) {
        if let address = IPv4Address(bytes: bytes) {
            self = .v4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// The /32 or /128 of this address.
    public var hostPrefix: IPPrefix {
        switch self {
        case .v4(let address): .v4(address, length: 32)
        case .v6(let address): .v6(address, length: 128)
        }
    }

    public var isIPv6: Bool {
        switch self {
        case .v4: false
        case .v6: true
        }
    }
}

extension IPAddress: TextCodable {
    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }

    /// The strict text of either family: what ``IPv4Address`` or ``IPv6Address`` takes.
    public init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }
}

// MARK: - As a tunnel endpoint

extension IPAddress {
    /// What the tunnel adds to a packet of a VM, in bytes: outer IP, UDP, VXLAN and inner Ethernet headers (RFC 7348
    /// section 5; RFC 8200 section 3 for the longer outer header).
    public var tunnelOverhead: Int { isIPv6 ? 70 : 50 }

    /// Why no host can have this as the endpoint that others send to, or nil. A host's own address on its loopback
    /// device is fine: it is the loopback network that reaches nobody.
    public var unusableAsEndpoint: String? {
        switch self {
        case .v4(let address):
            switch address.rawValue >> 24 {
            case 127: "a loopback address, which no other host can reach"
            case 0: "not an address of a host"
            case 224...239: "a multicast address"
            case 240...255: "a reserved or broadcast address"
            default: nil
            }
        case .v6(let address):
            switch (address.high, address.low) {
            case (0, 0): "not an address of a host"
            case (0, 1): "a loopback address, which no other host can reach"
            case (0, let low) where low >> 32 == 0xFFFF: "an IPv4 address in IPv6 form; write it in IPv4 form"
            case (let high, _) where high >> 56 == 0xFF: "a multicast address"
            case (let high, _) where high >> 54 == 0x3FA: "a link-local address, which needs a device to be reached"
            default: nil
            }
        }
    }

    /// Address of the endpoint's VXLAN device, derived so that no host has to learn it: part of the wire protocol.
    ///
    /// An IPv4 endpoint is in it whole. An IPv6 endpoint is mixed into 40 bits, in a range of its own; the coordinator
    /// refuses a host whose address would get the same (a VXLAN device drops what comes from its own address).
    public var tunnelMAC: MACAddress {
        switch self {
        case .v4(let address): MACAddress(0x024F << 32 | UInt64(address.rawValue))
        case .v6(let address): MACAddress(0x06 << 40 | Self.mixed(Self.mixed(address.high) ^ address.low) >> 24)
        }
    }

    /// Gateway inside the tunnel that stands for the endpoint. Two endpoints with one gateway have one ``tunnelMAC``.
    public var tunnelGateway: IPv6Address {
        switch self {
        case .v4(let address): .linkLocal(UInt64(address.rawValue))
        case .v6: .linkLocal(tunnelMAC.rawValue)
        }
    }

    /// The endpoint's host in ``OverlayPlan/routerPrefix4``, by 16 bits of its ``tunnelMAC``; the gateway's network, the
    /// reserved ones (RFC 3927 section 2.1) and that of the cloud metadata service are left out. Two hosts with the same
    /// see no IPv4 errors of each other, which costs a line of a traceroute and nothing else.
    public var overlayRouter4: IPv4Address {
        let number = Self.mixed(tunnelMAC.rawValue)
        let networks = (2...254).filter { $0 != 169 }
        let network = UInt32(networks[Int(number >> 32) % networks.count])
        return IPv4Address(0xA9FE_0000 | network << 8 | UInt32(1 + (number & 0xFFFF) % 254))
    }

    /// The finalizer of SplitMix64: each bit of the input changes half of the output's.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
