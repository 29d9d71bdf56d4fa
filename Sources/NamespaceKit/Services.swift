public import NetworkTypes
import Foundation
import Netlink

/// UDP listeners that remember what arrived: the receiving end of forbidden and allowed packets.
public final class DatagramTrap: Sendable {
    private let socket: NamespaceSocket
    public init(_ family: SocketFamily, in namespace: String, port: UInt16) throws(KitError) {
        socket = try NamespaceSocket(.datagram, family, in: namespace)
        try socket.bind(port: port)
    }

    /// True when a datagram with exactly this payload arrives within the time.
    public func receives(_ payload: [UInt8], within timeout: Duration) -> Bool {
        let deadline = ContinuousClock.now + timeout
        while true {
            let left = max(.zero, deadline - ContinuousClock.now)
            guard let (data, _) = socket.receive(within: left) else { return false }
            if data == payload { return true }
        }
    }
}

/// A TCP port that accepts.
public final class StreamListener: Sendable {
    private let socket: NamespaceSocket
    public init(_ family: SocketFamily, in namespace: String, port: UInt16) throws(KitError) {
        socket = try NamespaceSocket(.stream, family, in: namespace)
        try socket.bind(port: port)
        try socket.listen()
    }
}

/// Whether a TCP connection from `namespace` comes about.
public func connects(
    from namespace: String, to address: PeerAddress, port: UInt16, within timeout: Duration
) throws(KitError) -> Bool {
    let socket = try NamespaceSocket(.stream, address.family, in: namespace)
    return socket.connect(to: address, port: port, within: timeout)
}

/// Byte and packet counters of a link, seen from the namespace that it is in.
public struct PortCounters: Hashable, Sendable {
    public var receivedBytes: UInt64
    public var receivedPackets: UInt64
    public var sentBytes: UInt64
    public var sentPackets: UInt64

    private struct Row: Decodable {
        struct Side: Decodable {
            var bytes: UInt64
            var packets: UInt64
        }
        struct Both: Decodable {
            var rx: Side
            var tx: Side
        }
        var stats64: Both
    }

    /// Reads the counters the way the agent's sampler does (RTM_GETSTATS, all devices in one dump).
    public init(sampled link: String, in namespace: String) throws(KitError) {
        do throws(NetlinkError) {
            let route = try RouteSocket(in: NamespaceSockets(path: NetworkNamespace.path(namespace)))
            let index = try route.link(named: link)?.index
            guard let row = try route.counters().first(where: { $0.index == index }) else {
                throw NetlinkError(operation: "read counters", object: link, code: ENODEV)
            }
            receivedBytes = row.receivedBytes
            receivedPackets = row.receivedPackets
            sentBytes = row.sentBytes
            sentPackets = row.sentPackets
        } catch {
            throw .unexpected("\(error)")
        }
    }

    /// Reads the counters with `ip -s -j link`.
    public init(link: String, in namespace: String) throws(KitError) {
        let text = try Command.run(["ip", "-n", namespace, "-s", "-j", "link", "show", "dev", link])
        guard let rows = try? JSONDecoder().decode([Row].self, from: Data(text.utf8)), let row = rows.first else {
            throw .unexpected("ip -s -j link show dev \(link): \(text)")
        }
        receivedBytes = row.stats64.rx.bytes
        receivedPackets = row.stats64.rx.packets
        sentBytes = row.stats64.tx.bytes
        sentPackets = row.stats64.tx.packets
    }
}
