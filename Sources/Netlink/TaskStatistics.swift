import CNetlinkShim
import Glibc

/// CPU time of processes by taskstats (linux/taskstats.h) over generic netlink: exact to the nanosecond, of all threads,
/// ended ones too. Used by one task or queue at a time.
public final class TaskStatistics {
    private let socket: NetlinkSocket
    private let family: UInt16
    private var request = [UInt8](repeating: 0, count: Int(OUTRIDER_NL_MESSAGE_MAX))

    /// - Throws: ``NetlinkError/isNotFound`` when the kernel lacks taskstats.
    public init(in sockets: NamespaceSockets) throws(NetlinkError) {
        let generic = try GenericSocket(in: sockets)
        family = try generic.resolveFamily("TASKSTATS")
        socket = generic.socket
        // What the resolution has left would be taken for an answer.
        socket.discardQueued()
    }

    /// For a scripted kernel.
    init(adopting socket: NetlinkSocket, family: UInt16) {
        self.socket = socket
        self.family = family
    }

    /// CPU time that a process has used, nanoseconds; nil when it is gone.
    public func cpu(ofProcess process: Int32) throws(NetlinkError) -> UInt64? {
        let sequence = socket.nextSequence()
        let built = unsafe request.withUnsafeMutableBytes {
            unsafe outrider_taskstats_get($0.baseAddress, $0.count, family, sequence, UInt32(bitPattern: process))
        }
        let length = Int(try checked(built, "build taskstats request"))
        let sent = unsafe request.withUnsafeBytes { unsafe outrider_nl_send(socket.fd, $0.baseAddress, length) }
        _ = try checked(sent, "read taskstats", "process \(process)")
        while true {
            var stats = outrider_taskstats()
            let result = try unsafe socket.receiveDatagram(waitMilliseconds: socket.answerWaitMilliseconds) {
                unsafe outrider_taskstats_parse($0.baseAddress, $0.count, &stats)
            }
            guard let result else { throw NetlinkError(operation: "read taskstats", code: ETIMEDOUT) }
            guard stats.sequence == sequence else { continue }
            _ = try checked(result, "read taskstats", "process \(process)")
            if stats.error == ESRCH { return nil }
            guard stats.error == 0 else {
                throw NetlinkError(operation: "read taskstats", object: "process \(process)", code: stats.error)
            }
            return stats.cpu_ns
        }
    }
}
