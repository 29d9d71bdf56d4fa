import CNetlinkShim
import Dispatch
import Glibc

/// Rings once, at the first frame that a device of a namespace takes in: a frame of any protocol, before a filter sees it
/// (packet(7)). RARP, which hypervisors announce a VM by, passes no hook of nf_tables but a device's own.
///
/// It wakes and does not count: a frame that came before it listened is in the device's own counters
/// (``RouteSocket/counters(index:)``), which are read after it is made. Nothing of it stands in the way of other devices'
/// packets, and it costs nothing while its device is silent.
public final class FrameBell: @unchecked Sendable {
    // Cancelling is all that is done to it from outside its queue, and that is safe from anywhere.
    private let source: any DispatchSourceRead

    private static let queue = DispatchQueue(label: "outrider.frame-bell")

    /// - Parameters:
    ///   - index: of the device, in the namespace of `sockets`.
    ///   - ring: called once at most, from a queue of the bell's own.
    /// - Throws: `isPermission` without CAP_NET_RAW, `isNotFound` when there is no such device.
    public init(
        index: Int, in sockets: NamespaceSockets, ring: @escaping @Sendable () -> Void
    ) throws(NetlinkError) {
        let fd = try sockets.open(domain: AF_PACKET, type: Int32(SOCK_RAW.rawValue), protocol: 0)
        do throws(NetlinkError) {
            _ = try checked(outrider_frames_bind(fd, Int32(index)), "listen on", "device \(index)")
        } catch {
            close(fd)
            throw error
        }
        source = DispatchSource.makeReadSource(fileDescriptor: fd, queue: Self.queue)
        source.setCancelHandler { close(fd) }
        source.setEventHandler { [weak self] in
            // Nothing there: the device went down, which wakes as well.
            guard let self, outrider_frames_heard(fd) > 0, !source.isCancelled else { return }
            source.cancel()
            ring()
        }
        source.activate()
    }

    deinit { source.cancel() }
}
