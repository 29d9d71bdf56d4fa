public import NetworkTypes

/// The physical network between hosts: one switch namespace with a bridge, one namespace for each machine.
public struct Underlay: Sendable {
    /// One machine on it.
    public struct Machine: Sendable {
        /// Its namespace.
        public let namespace: String
        public let address: IPv4Address
        /// Its tunnel endpoint; ``address`` unless the underlay is of another ``Endpoints``.
        public let endpoint: IPAddress
    }

    /// What the machines' tunnel endpoints are.
    public enum Endpoints: String, Sendable, CaseIterable {
        case ipv4, ipv6
        /// On the loopback device, routed there by every other machine.
        case loopback4, loopback6

        /// What the tunnel adds to a packet, in bytes.
        public var overhead: Int { Underlay.endpoint(1, self).tunnelOverhead }
    }

    public let switchNamespace: String
    public let machines: [Machine]
    /// Every namespace that was made for it.
    public var namespaces: [String] { [switchNamespace] + machines.map(\.namespace) }

    /// Bytes; the overlay gets ``IPAddress/tunnelOverhead`` less.
    public static let mtu = 1_500

    /// Makes the namespaces `PREFIX-sw` and `PREFIX-NAME` and wires them. Addresses lie in 10.0.16.0/24 on purpose: the
    /// overlay's own 10/8 must live beside an underlay that uses it too.
    public init(prefix: String, machines names: [String], endpoints: Endpoints = .ipv4) throws(KitError) {
        switchNamespace = prefix + "-sw"
        machines = names.enumerated().map { index, name in
            let number = UInt32(index + 1)
            return Machine(
                namespace: "\(prefix)-\(name)", address: IPv4Address(10 << 24 | 16 << 8 | number),
                endpoint: Self.endpoint(number, endpoints))
        }
        try NetworkNamespace.create(namespaces)
        var inSwitch = ["link set lo up", "link add br0 type bridge", "link set br0 up"]
        for (index, machine) in machines.enumerated() {
            inSwitch.append("link add p\(index) type veth peer name u0 netns \(machine.namespace)")
            inSwitch.append("link set p\(index) master br0 up")
        }
        try Command.ipBatch(inSwitch, namespace: switchNamespace)
        for machine in machines {
            // A machine's address would be tentative for its first second, and what it sends then lost.
            try NetworkNamespace.setSysctls(
                [("net/ipv6/conf/u0/accept_dad", "0"), ("net/ipv6/conf/all/accept_dad", "0")], in: machine.namespace)
            try Command.ipBatch(
                [
                    "link set lo up", "link set u0 mtu \(Self.mtu) up", "addr add \(machine.address)/24 dev u0",
                    "addr add \(Self.link6(machine.address))/64 dev u0 nodad",
                ] + lines(for: machine, endpoints), namespace: machine.namespace)
        }
    }

    private static func endpoint(_ number: UInt32, _ endpoints: Endpoints) -> IPAddress {
        switch endpoints {
        case .ipv4: .v4(IPv4Address(10 << 24 | 16 << 8 | number))
        case .ipv6: .v6(link6(IPv4Address(number)))
        case .loopback4: .v4(IPv4Address(0xC633_6400 | number))
        case .loopback6: .v6(IPv6Address(high: 0x2001_0DB8_00FE_0000, low: UInt64(number)))
        }
    }

    /// In a network of the documentation prefix (RFC 3849).
    private static func link6(_ address: IPv4Address) -> IPv6Address {
        IPv6Address(high: 0x2001_0DB8_0001_0000, low: UInt64(address.rawValue & 0xFF))
    }

    /// Loopback endpoints of a machine and the routes to the others'.
    private func lines(for machine: Machine, _ endpoints: Endpoints) -> [String] {
        guard endpoints == .loopback4 || endpoints == .loopback6 else { return [] }
        let others = machines.filter { $0.namespace != machine.namespace }.map { other in
            let gateway = endpoints == .loopback4 ? "\(other.address)" : "\(Self.link6(other.address))"
            return "route add \(other.endpoint.hostPrefix) via \(gateway)"
        }
        return ["addr add \(machine.endpoint.hostPrefix) dev lo"] + others
    }

    /// Removes its namespaces, and with them every link.
    public func remove() throws(KitError) { try NetworkNamespace.remove(namespaces) }
}
