import CNetlinkShim
public import NetworkTypes

/// Absolute counters of one device, from the device's point of view: what a port sent, its VM received.
public struct LinkCounters: Hashable, Sendable {
    public var index: Int
    public var receivedPackets, sentPackets, receivedBytes, sentBytes: UInt64
    public var receiveErrors, sendErrors, receiveDrops, sendDrops: UInt64
}

/// Counters of one VNI of the filter. The kernel counts what arrives for a local VNI; what leaves to a remote block is
/// not in them.
public struct VNICounters: Hashable, Sendable {
    public var vni: SessionNetworkID
    public var receivedPackets, receivedBytes, receiveDrops, receiveErrors: UInt64
}

extension RouteSocket {
    private static let statsType: UInt16 = 92

    /// Counters of every device (RTM_GETSTATS, IFLA_STATS_LINK_64): no names and no state, hence 20 times cheaper than a
    /// list of devices.
    public func counters() throws(NetlinkError) -> [LinkCounters] {
        let message = try unsafe RouteMessage("read counters", "") { unsafe outrider_nl_stats_get($0, $1, 0) }
        return try dump(message, Self.counters(of:))
    }

    /// Counters of one device, nil when it is gone.
    public func counters(index: Int) throws(NetlinkError) -> LinkCounters? {
        let message = try unsafe RouteMessage("read counters", "device \(index)") {
            unsafe outrider_nl_stats_get($0, $1, Int32(index))
        }
        do throws(NetlinkError) {
            return try Self.counters(
                of: socket.request(message.bytes, operation: message.operation, object: message.object))
        } catch {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    private static func counters(of answer: NetlinkAnswer) throws(NetlinkError) -> LinkCounters? {
        guard answer.type == statsType else { return nil }
        var raw = outrider_link_counters()
        let result = unsafe answer.bytes.withUnsafeBytes {
            unsafe outrider_nl_stats_parse($0.baseAddress, $0.count, &raw)
        }
        _ = try checked(result, "read counters")
        return LinkCounters(raw)
    }

    /// Counters of each VNI of a device's filter.
    public func vniCounters(index: Int) throws(NetlinkError) -> [VNICounters] {
        try vniEntries(index: index, counters: true).compactMap { entry in
            guard entry.has_counters == 1, let vni = SessionNetworkID(entry.first) else { return nil }
            return VNICounters(
                vni: vni, receivedPackets: entry.rx_packets, receivedBytes: entry.rx_bytes,
                receiveDrops: entry.rx_drops, receiveErrors: entry.rx_errors)
        }
    }
}
