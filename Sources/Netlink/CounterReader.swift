import CNetlinkShim
import NetworkTypes

/// Reads the counters of all devices and of the VNI filter of one namespace, keeping its memory from reading to reading.
/// Used by one task or queue at a time.
///
/// RTM_GETSTATS carries counters only: no names and no state, hence 20 times cheaper than a list of devices.
public final class CounterReader {
    private let socket: NetlinkSocket
    private let linkRequest: RouteMessage
    private var links = RowBuffer(blank: outrider_link_counters())
    private var vnis = RowBuffer(blank: outrider_vni())

    public convenience init(in sockets: NamespaceSockets) throws(NetlinkError) {
        try self.init(adopting: NetlinkSocket(protocol: 0, in: sockets))
    }

    /// For a scripted kernel.
    init(adopting socket: NetlinkSocket) throws(NetlinkError) {
        self.socket = socket
        linkRequest = try unsafe RouteMessage("read counters", "") { unsafe outrider_nl_stats_get($0, $1, 0) }
    }

    /// Counters of every device; their number.
    public func readLinks(_ body: (LinkCounters) -> Void) throws(NetlinkError) {
        try unsafe socket.dump(
            linkRequest.bytes, into: &links, operation: linkRequest.operation, outrider_dump_stats)
        for row in links.valid { body(LinkCounters(row)) }
    }

    /// Counters of each VNI in the filter of the device with this index.
    public func readTunnels(index: Int, _ body: (VNICounters) -> Void) throws(NetlinkError) {
        let request = try unsafe RouteMessage("read VNI counters", "device \(index)") {
            unsafe outrider_nl_vni_dump($0, $1, Int32(index), 1)
        }
        try unsafe socket.dump(request.bytes, into: &vnis, operation: request.operation, outrider_dump_vnis)
        for row in vnis.valid {
            guard row.has_counters == 1, let vni = SessionNetworkID(row.first) else { continue }
            body(
                VNICounters(
                    vni: vni, receivedPackets: row.rx_packets, receivedBytes: row.rx_bytes, receiveDrops: row.rx_drops,
                    receiveErrors: row.rx_errors))
        }
    }
}

extension LinkCounters {
    init(_ raw: outrider_link_counters) {
        self.init(
            index: Int(raw.index), receivedPackets: raw.rx_packets, sentPackets: raw.tx_packets,
            receivedBytes: raw.rx_bytes, sentBytes: raw.tx_bytes, receiveErrors: raw.rx_errors,
            sendErrors: raw.tx_errors, receiveDrops: raw.rx_dropped, sendDrops: raw.tx_dropped)
    }
}
