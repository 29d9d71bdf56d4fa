import CNetlinkShim
import Dispatch
import Glibc
public import NetworkTypes

/// ICMPv6 echo (RFC 4443 section 4) between the hosts' own addresses inside the overlay, so through the tunnel.
///
/// A ping socket: it needs no right but that of `ping_group_range`, which the overlay's namespace gives to root's group.
/// Used by one task or queue at a time.
public final class EchoSocket {
    /// Bytes of a packet that is as short as an echo can be.
    public static let shortest = 48
    private let fd: Int32
    private let source: any DispatchSourceRead

    /// - Parameters:
    ///   - own: this host's address, which must be there.
    ///   - heard: every reply, on a queue of the socket's own.
    public init(
        in sockets: NamespaceSockets, from own: IPv6Address, heard: @escaping @Sendable (IPv6Address, UInt16) -> Void
    ) throws(NetlinkError) {
        let fd = try sockets.open(domain: AF_INET6, type: Int32(SOCK_DGRAM.rawValue), protocol: Self.icmp6)
        self.fd = fd
        let result = unsafe outrider_echo_prepare(fd, own.bytes)
        guard result == 0 else {
            close(fd)
            throw NetlinkError(operation: "send echoes from", object: "\(own)", code: -result)
        }
        source = DispatchSource.makeReadSource(
            fileDescriptor: fd, queue: DispatchQueue(label: "outrider.echo"))
        source.setEventHandler { Self.readAll(fd, heard) }
        source.setCancelHandler { close(fd) }
        source.activate()
    }

    /// IPPROTO_ICMPV6.
    private static let icmp6: Int32 = 58

    /// Sends one request of this length (bytes, of the whole packet); false when no route leads there, or it is longer
    /// than the route may carry.
    public func send(to peer: IPv6Address, sequence: UInt16, bytes: Int) -> Bool {
        unsafe outrider_echo_send(fd, peer.bytes, sequence, bytes) == 0
    }

    private static func readAll(_ fd: Int32, _ heard: (IPv6Address, UInt16) -> Void) {
        var sender = [UInt8](repeating: 0, count: 16)
        var sequence: UInt16 = 0
        while unsafe outrider_echo_receive(fd, &sender, &sequence) == 0 {
            if let address = IPv6Address(bytes: sender) { heard(address, sequence) }
        }
    }

    deinit { source.cancel() }
}
