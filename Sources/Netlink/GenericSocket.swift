import CNetlinkShim
import Glibc

/// Generic netlink inside one namespace: families are numbered at boot and found by name.
public final class GenericSocket {
    let socket: NetlinkSocket

    public init(in sockets: NamespaceSockets) throws(NetlinkError) {
        socket = try NetlinkSocket(protocol: NETLINK_GENERIC, in: sockets)
    }

    /// Number of a family such as `TASKSTATS`.
    ///
    /// - Throws: ``NetlinkError/isNotFound`` when the kernel lacks it.
    public func resolveFamily(_ name: String) throws(NetlinkError) -> UInt16 {
        let result = unsafe name.withCString { unsafe outrider_genl_resolve(socket.fd, $0) }
        return UInt16(try checked(result, "resolve generic netlink family", name))
    }
}
