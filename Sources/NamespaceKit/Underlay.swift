public import NetworkTypes

/// The physical network between hosts: one switch namespace with a bridge, one namespace for each machine.
public struct Underlay: Sendable {
    /// One machine on it.
    public struct Machine: Sendable {
        /// Its namespace.
        public let namespace: String
        public let address: IPv4Address
    }

    public let switchNamespace: String
    public let machines: [Machine]
    /// Every namespace that was made for it.
    public var namespaces: [String] { [switchNamespace] + machines.map(\.namespace) }

    /// Bytes; the overlay gets 50 less (VXLAN over IPv4: 14 Ethernet, 20 IP, 8 UDP, 8 VXLAN).
    public static let mtu = 1_500

    /// Makes the namespaces `PREFIX-sw` and `PREFIX-NAME` and wires them. Addresses lie in 10.0.16.0/24 on purpose: the
    /// overlay's own 10/8 must live beside an underlay that uses it too.
    public init(prefix: String, machines names: [String]) throws(KitError) {
        switchNamespace = prefix + "-sw"
        machines = names.enumerated().map { index, name in
            Machine(namespace: "\(prefix)-\(name)", address: IPv4Address(10 << 24 | 16 << 8 | UInt32(index + 1)))
        }
        try NetworkNamespace.create(namespaces)
        var inSwitch = ["link set lo up", "link add br0 type bridge", "link set br0 up"]
        for (index, machine) in machines.enumerated() {
            inSwitch.append("link add p\(index) type veth peer name u0 netns \(machine.namespace)")
            inSwitch.append("link set p\(index) master br0 up")
        }
        try Command.ipBatch(inSwitch, namespace: switchNamespace)
        for machine in machines {
            try Command.ipBatch(
                ["link set lo up", "link set u0 mtu \(Self.mtu) up", "addr add \(machine.address)/24 dev u0"],
                namespace: machine.namespace)
        }
    }

    /// Removes its namespaces, and with them every link.
    public func remove() throws(KitError) { try NetworkNamespace.remove(namespaces) }
}
