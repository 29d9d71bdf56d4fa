import NetworkTypes

/// Router advertisements (RFC 4861) for the one VM of a port.
///
/// They carry the default route, the MTU and DNS servers. The address comes by DHCPv6: an identifier is a /72, and
/// stateless configuration (RFC 4862) makes addresses of a /64 only, which would be other VMs' too.
public enum RouterAdvertisement {
    /// ICMPv6 types.
    static let solicitation: UInt8 = 133
    static let advertisement: UInt8 = 134
    private static let sourceOption: UInt8 = 1
    private static let mtuOption: UInt8 = 5
    private static let dnsOption: UInt8 = 25

    /// Longest that there is (RFC 8319): a VM keeps its route while the agent is away.
    public static let routerLifetime = Duration.seconds(65_535)

    /// Whether an ICMPv6 message asks for an advertisement (RFC 4861 section 6.1.1), whoever says so: the port says who
    /// asks. Its source may have been taken out on the way, so the option with the sender's link-layer address says nothing
    /// against it, and is not read.
    ///
    /// - Parameter hopLimit: as it arrived; a router lowers it.
    public static func isSolicited(by bytes: [UInt8], hopLimit: Int) -> Bool {
        guard hopLimit == 255, bytes.count >= 8, bytes[0] == solicitation, bytes[1] == 0 else { return false }
        var reader = ByteReader(bytes[8...])
        while reader.count > 0 {
            guard reader.number(UInt8.self) != nil, let length = reader.number(UInt8.self), length > 0,
                reader.take(Int(length) * 8 - 2) != nil
            else { return false }
        }
        return true
    }

    /// The message, with a checksum of 0 for the kernel to fill.
    public static func message(for port: GuestPort, _ plan: AddressingPlan) -> [UInt8] {
        // Hop limit of what the VM sends; addresses and everything else by DHCPv6 (M and O).
        var bytes: [UInt8] = [advertisement, 0, 0, 0, 64, 0xC0]
        bytes.append(network: UInt16(routerLifetime.components.seconds))
        // Reachable and retransmission time: the VM's own.
        bytes += [UInt8](repeating: 0, count: 8)
        bytes += [sourceOption, 1] + plan.gatewayMAC.bytes
        bytes += [mtuOption, 1, 0, 0]
        bytes.append(network: UInt32(clamping: port.mtu))
        if !plan.dns6.isEmpty {
            // RFC 8106; all ones is for ever.
            bytes += [dnsOption, UInt8(1 + 2 * plan.dns6.count), 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
            bytes += plan.dns6.flatMap(\.bytes)
        }
        return bytes
    }
}
