public import NetworkTypes

/// What the VM behind one port is told of itself.
public struct GuestPort: Hashable, Sendable {
    public var mac: MACAddress
    public var ipv4: IPv4Address
    public var ipv6: IPv6Address
    /// Bytes.
    public var mtu: Int
    public init(mac: MACAddress, ipv4: IPv4Address, ipv6: IPv6Address, mtu: Int) {
        self.mac = mac
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.mtu = mtu
    }
}

/// What all VMs are told alike. It is the same on every host, so that a VM that has migrated is answered by the host that
/// it is on as by the one before.
public struct AddressingPlan: Hashable, Sendable {
    /// On the link of every VM, though no prefix says so; also the DHCPv4 server's name.
    public var gateway4: IPv4Address
    /// Link-local.
    public var gateway6: IPv6Address
    /// Behind both.
    public var gatewayMAC: MACAddress
    public var dns4: [IPv4Address]
    public var dns6: [IPv6Address]

    /// - Parameter dns: servers in their order; those beyond ``dnsMax`` of a family are left out.
    public init(gateway4: IPv4Address, gateway6: IPv6Address, gatewayMAC: MACAddress, dns: [IPAddress] = []) {
        self.gateway4 = gateway4
        self.gateway6 = gateway6
        self.gatewayMAC = gatewayMAC
        dns4 = Array(dns.compactMap { if case .v4(let address) = $0 { address } else { nil } }.prefix(Self.dnsMax))
        dns6 = Array(dns.compactMap { if case .v6(let address) = $0 { address } else { nil } }.prefix(Self.dnsMax))
    }

    public static let dnsMax = 8
    /// The address is the VM's for as long as it lives; a year says so to clients that reckon with 31 bits.
    public static let lease = Duration.seconds(365 * 86_400)
}
