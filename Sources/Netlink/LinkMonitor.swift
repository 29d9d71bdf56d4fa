import CNetlinkShim
public import Dataplane
import Dispatch
import Glibc
public import NetworkTypes

/// Something that changed in a namespace, and not by the ignored senders.
public enum KernelEvent: Hashable, Sendable {
    /// A device appeared or changed.
    case link(Link)
    /// A device went away, or was moved to another namespace.
    case linkGone(index: Int, name: String)
    /// An entry of this kind changed; which one is for a dump to tell.
    case changed(KernelKind)
    /// A VNI came into a device's filter or left it, whoever did it: the kernel does not say.
    case vni(SessionNetworkID, isPresent: Bool)
    /// One of the nf_tables tables that are listened for changed, or what is in it.
    case tableChanged(String)
    /// Events were lost (kernel overrun or slow consumer): nothing heard so far can be trusted, dump everything.
    case resync(reason: String)
}

/// Listens to devices, neighbors, routes, nexthop objects and VNIs of a namespace, or to its nf_tables.
///
/// Subscribe before the first dump. Events only say where to look: a device that loses UP takes its IPv4 routes and
/// nexthop objects with it without an event for any of them.
public final class LinkMonitor: @unchecked Sendable {
    /// Ends when the monitor is stopped. Bounded: a consumer that falls behind loses the oldest events and gets a
    /// ``KernelEvent/resync(reason:)`` instead.
    public let events: AsyncStream<KernelEvent>
    // Cancelling is all that is done to it from outside its queue, and that is safe from anywhere.
    private let source: any DispatchSourceRead

    /// Events kept for a slow consumer.
    public static let bufferedEventsMax = 1024

    /// RTNLGRP_LINK, NEIGH, IPV4_ROUTE, IPV6_ROUTE, NEXTHOP, TUNNEL.
    private static let groups: [UInt32] = [1, 3, 7, 11, 32, 35]
    /// NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h.
    private static let tablesGroup: UInt32 = 7

    /// - Parameter ignoring: netlink ports whose own changes are not reported (``RouteSocket/port``).
    public convenience init(
        in sockets: NamespaceSockets, ignoring: Set<UInt32> = [], bufferedEventsMax: Int = bufferedEventsMax
    ) throws(NetlinkError) {
        let socket = try NetlinkSocket(protocol: NETLINK_ROUTE, in: sockets)
        for group in Self.groups { try socket.join(group: group) }
        self.init(
            socket: socket, ignoring: ignoring, bufferedEventsMax: bufferedEventsMax,
            parse: MonitorReader.routingEvent)
    }

    /// Listens to changes of these tables, of whatever family, and of all that is in them.
    ///
    /// - Parameter ignoring: netlink ports whose own changes are not reported (``NFTables/port``).
    public convenience init(
        tables names: Set<String>, in sockets: NamespaceSockets, ignoring: Set<UInt32> = []
    ) throws(NetlinkError) {
        let socket = try NetlinkSocket(protocol: NFTables.netfilterProtocol, in: sockets)
        try socket.join(group: Self.tablesGroup)
        self.init(socket: socket, ignoring: ignoring, bufferedEventsMax: Self.bufferedEventsMax) { answer in
            MonitorReader.tableName(answer).flatMap { names.contains($0) ? .tableChanged($0) : nil }
        }
    }

    init(
        socket: consuming sending NetlinkSocket, ignoring: Set<UInt32>, bufferedEventsMax: Int,
        parse: @escaping @Sendable (NetlinkAnswer) throws(NetlinkError) -> KernelEvent? = MonitorReader.routingEvent
    ) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: KernelEvent.self, bufferingPolicy: .bufferingNewest(bufferedEventsMax))
        events = stream
        let reader = MonitorReader(socket: socket, ignoring: ignoring, continuation: continuation, parse: parse)
        let queue = DispatchQueue(label: "outrider.link-monitor")
        source = DispatchSource.makeReadSource(fileDescriptor: reader.fd, queue: queue)
        source.setEventHandler { reader.readAll() }
        source.setCancelHandler { reader.finish() }
        source.activate()
    }

    /// Ends the stream and closes the socket.
    public func stop() { source.cancel() }

    deinit { source.cancel() }
}

/// Runs on the monitor's queue only; the queue is what makes it safe to share.
final class MonitorReader: @unchecked Sendable {
    private let socket: NetlinkSocket
    private let parse: @Sendable (NetlinkAnswer) throws(NetlinkError) -> KernelEvent?
    private let ignoring: Set<UInt32>
    private let continuation: AsyncStream<KernelEvent>.Continuation
    var fd: Int32 { socket.fd }

    init(
        socket: NetlinkSocket, ignoring: Set<UInt32>, continuation: AsyncStream<KernelEvent>.Continuation,
        parse: @escaping @Sendable (NetlinkAnswer) throws(NetlinkError) -> KernelEvent?
    ) {
        self.parse = parse
        self.socket = socket
        self.ignoring = ignoring
        self.continuation = continuation
    }

    func readAll() {
        do throws(NetlinkError) {
            while let part = try socket.receive(waitMilliseconds: 0) {
                for answer in part where !ignoring.contains(answer.port) {
                    if let event = try parse(answer) { emit(event) }
                }
            }
        } catch {
            emit(.resync(reason: error.description))
        }
    }

    func finish() { continuation.finish() }

    private func emit(_ event: KernelEvent) {
        guard case .dropped = continuation.yield(event) else { return }
        // It takes the place of one more event, and is itself never the oldest before the consumer has read the rest.
        continuation.yield(.resync(reason: "events were not read in time"))
    }

    /// The table that a message of nf_tables is about: the first attribute of all of them but the generation's names it
    /// (linux/netfilter/nf_tables.h), behind a header of four bytes.
    static func tableName(_ answer: NetlinkAnswer) -> String? {
        let subsystem: UInt16 = 10 << 8
        let generation: UInt16 = subsystem | 15
        guard answer.type & 0xFF00 == subsystem, answer.type != generation else { return nil }
        var rest = answer.payload.dropFirst(4)
        while rest.count > 4 {
            let head = Array(rest.prefix(4))
            let length = Int(head[0]) | Int(head[1]) << 8
            guard length >= 4, length <= rest.count else { return nil }
            if head[2] == 1, head[3] & 0x3F == 0 {
                return String(decoding: rest.prefix(length).dropFirst(4).prefix { $0 != 0 }, as: UTF8.self)
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return nil
    }

    /// Message types of linux/rtnetlink.h, new and delete.
    @Sendable static func routingEvent(_ answer: NetlinkAnswer) throws(NetlinkError) -> KernelEvent? {
        switch answer.type {
        case LinkMessage.new: try Link(answer).map(KernelEvent.link)
        case LinkMessage.delete: try Link(answer).map { .linkGone(index: $0.index, name: $0.name) }
        // The kernel's own routes come and go with every address of a port.
        case 24, 25: try RouteSocket.route(of: answer) == nil ? nil : .changed(.route)
        case 28, 29: .changed(.neighbor)
        case 104, 105: .changed(.nexthop)
        // RTM_NEWTUNNEL and RTM_DELTUNNEL: one event per VNI.
        case 120, 121: try RouteSocket.vni(of: answer).map { .vni($0, isPresent: answer.type == 120) }
        default: nil
        }
    }
}
