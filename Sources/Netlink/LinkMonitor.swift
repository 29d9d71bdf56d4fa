import CNetlinkShim
public import Dataplane
import Dispatch
import Glibc

/// Something that changed in a namespace, and not by the ignored senders.
public enum KernelEvent: Hashable, Sendable {
    /// A device appeared or changed.
    case link(Link)
    /// A device went away, or was moved to another namespace.
    case linkGone(index: Int, name: String)
    /// An entry of this kind changed; which one is for a dump to tell.
    case changed(KernelKind)
    /// Events were lost (kernel overrun or slow consumer): nothing heard so far can be trusted, dump everything.
    case resync(reason: String)
}

/// Listens to devices, neighbors, routes and nexthop objects of a namespace.
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

    /// RTNLGRP_LINK, NEIGH, IPV4_ROUTE, IPV6_ROUTE, NEXTHOP.
    private static let groups: [UInt32] = [1, 3, 7, 11, 32]

    /// - Parameter ignoring: netlink ports whose own changes are not reported (``RouteSocket/port``).
    public convenience init(
        in sockets: NamespaceSockets, ignoring: Set<UInt32> = [], bufferedEventsMax: Int = bufferedEventsMax
    ) throws(NetlinkError) {
        let socket = try NetlinkSocket(protocol: NETLINK_ROUTE, in: sockets)
        for group in Self.groups { try socket.join(group: group) }
        self.init(socket: socket, ignoring: ignoring, bufferedEventsMax: bufferedEventsMax)
    }

    init(socket: consuming sending NetlinkSocket, ignoring: Set<UInt32>, bufferedEventsMax: Int) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: KernelEvent.self, bufferingPolicy: .bufferingNewest(bufferedEventsMax))
        events = stream
        let reader = MonitorReader(socket: socket, ignoring: ignoring, continuation: continuation)
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
private final class MonitorReader: @unchecked Sendable {
    private let socket: NetlinkSocket
    private let ignoring: Set<UInt32>
    private let continuation: AsyncStream<KernelEvent>.Continuation
    var fd: Int32 { socket.fd }

    init(socket: NetlinkSocket, ignoring: Set<UInt32>, continuation: AsyncStream<KernelEvent>.Continuation) {
        self.socket = socket
        self.ignoring = ignoring
        self.continuation = continuation
    }

    func readAll() {
        do throws(NetlinkError) {
            while let part = try socket.receive(waitMilliseconds: 0) {
                for answer in part where !ignoring.contains(answer.port) {
                    if let event = try Self.event(answer) { emit(event) }
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

    /// Message types of linux/rtnetlink.h, new and delete.
    private static func event(_ answer: NetlinkAnswer) throws(NetlinkError) -> KernelEvent? {
        switch answer.type {
        case LinkMessage.new: try Link(answer).map(KernelEvent.link)
        case LinkMessage.delete: try Link(answer).map { .linkGone(index: $0.index, name: $0.name) }
        // The kernel's own routes come and go with every address of a port.
        case 24, 25: try RouteSocket.route(of: answer) == nil ? nil : .changed(.route)
        case 28, 29: .changed(.neighbor)
        case 104, 105: .changed(.nexthop)
        default: nil
        }
    }
}
