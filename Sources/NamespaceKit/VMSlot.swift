import CNamespaceKit
public import NetworkTypes

/// What a VM learns when it is attached, and how it addresses itself.
public struct VMAddressing: Hashable, Sendable {
    public var ipv4: IPv4Address
    public var ipv6: IPv6Address
    public var gatewayIPv4: IPv4Address
    public var gatewayIPv6: IPv6Address
    public var mtu: Int
    public init(
        ipv4: IPv4Address, ipv6: IPv6Address, gatewayIPv4: IPv4Address, gatewayIPv6: IPv6Address, mtu: Int
    ) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.gatewayIPv4 = gatewayIPv4
        self.gatewayIPv6 = gatewayIPv6
        self.mtu = mtu
    }
}

/// A namespace that stands for a VM, made beforehand and used by one VM after the other.
///
/// Removing a namespace holds the network lock of the whole machine, so slots are kept until the end of a run.
public final class VMSlot: Sendable {
    public let name: String
    /// Path for the attach call: where the port's peer goes.
    public var path: String { NetworkNamespace.path(name) }
    private let route: NamespaceSocket
    public let echoIPv4: EchoSocket
    public let echoIPv6: EchoSocket

    /// Makes many slots at once.
    public static func make(_ names: [String]) throws(KitError) -> [VMSlot] {
        try NetworkNamespace.create(names)
        var slots: [VMSlot] = []
        for name in names { slots.append(try VMSlot(existing: name)) }
        return slots
    }

    /// Prepares a namespace that exists.
    public init(existing name: String) throws(KitError) {
        self.name = name
        // A guest would find its link-local address tentative for a second; nobody can have it on a port of one VM.
        try NetworkNamespace.setSysctls(
            [
                ("net/ipv6/conf/default/accept_dad", "0"), ("net/ipv6/conf/all/accept_dad", "0"),
                ("net/ipv6/conf/default/accept_ra", "0"),
            ], in: name)
        route = try NamespaceSocket(.route, .ipv4, in: name)
        echoIPv4 = try EchoSocket(.ipv4, in: name)
        echoIPv6 = try EchoSocket(.ipv6, in: name)
    }

    /// Addresses `eth0`, which the agent put here, from the answer of the attach call.
    ///
    /// Host addresses, and default routes through gateways that are on the link though no prefix says so.
    public func configure(_ addressing: VMAddressing) throws(KitError) {
        let result = unsafe nskit_configure(
            route.descriptor, "eth0", UInt32(addressing.mtu), addressing.ipv4.bytes, addressing.gatewayIPv4.bytes,
            addressing.ipv6.bytes, addressing.gatewayIPv6.bytes)
        guard result == 0 else { throw .system(operation: "address eth0 of \(name)", errno: -result) }
    }

    /// Echo socket of the address' family.
    public func echo(for address: PeerAddress) -> EchoSocket {
        switch address {
        case .v4: echoIPv4
        case .v6: echoIPv6
        }
    }
}
