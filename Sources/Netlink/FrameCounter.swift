import Glibc

/// Counts 802.2 frames (EtherType below 0x600) that arrive in a namespace and that nobody may want there.
///
/// Where the kernel's LLC module is loaded it takes such frames from every device and drops what no protocol of its own
/// asks for, without a count; where it is not, the device counts them. This socket takes them from the device either way
/// and is never read: the kernel counts what it took and what found it full (packet(7), PACKET_STATISTICS). It costs other
/// frames nothing. Used by one task or queue at a time.
final class FrameCounter {
    /// ETH_P_802_2 of linux/if_ether.h, in network order.
    private static let protocol802: Int32 = 0x0400
    /// SOL_PACKET and PACKET_STATISTICS of linux/if_packet.h.
    private static let level: Int32 = 263
    private static let statistics: Int32 = 6

    private let fd: Int32
    private var total: UInt64 = 0

    init(in sockets: NamespaceSockets) throws(NetlinkError) {
        fd = try sockets.open(domain: AF_PACKET, type: Int32(SOCK_RAW.rawValue), protocol: Self.protocol802)
        // The kernel makes the least of it that there is.
        var size: Int32 = 1
        let result = unsafe setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        if result != 0 { throw NetlinkError(operation: "count frames", object: sockets.namespace.path, code: errno) }
    }

    deinit { close(fd) }

    /// Frames since this was made.
    func count() throws(NetlinkError) -> UInt64 {
        // struct tpacket_stats: taken, of which dropped; each reading begins anew.
        var counts: (taken: UInt32, dropped: UInt32) = (0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: counts))
        guard unsafe getsockopt(fd, Self.level, Self.statistics, &counts, &size) == 0 else {
            throw NetlinkError(operation: "count frames", code: errno)
        }
        total &+= UInt64(counts.taken)
        return total
    }
}
