import CSystemShim
import Glibc

/// Who is on the other end of a Unix socket, as it was when it connected (unix(7), SO_PEERCRED and SO_PEERGROUPS).
public struct VarlinkPeer: Hashable, Sendable {
    public var pid: Int32
    public var uid: UInt32
    public var gid: UInt32
    /// Supplementary groups.
    public var groups: [UInt32]
}

/// Calls on Unix sockets; the one place of this module that talks to the kernel.
enum LocalSocket {
    /// linux/asm-generic/socket.h; not in Glibc's module.
    private static let SO_PEERGROUPS: Int32 = 59

    static func peer(of descriptor: Int32) -> VarlinkPeer? {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
        guard unsafe outrider_peer_credentials(descriptor, &pid, &uid, &gid) == 0 else { return nil }
        var groups = [UInt32](repeating: 0, count: 1024)
        var length = socklen_t(groups.count * 4)
        let result = unsafe groups.withUnsafeMutableBytes {
            unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, $0.baseAddress, &length)
        }
        groups = result == 0 ? Array(groups.prefix(Int(length) / 4)) : []
        return VarlinkPeer(pid: pid, uid: uid, gid: gid, groups: groups)
    }

    enum Received {
        case bytes(ArraySlice<UInt8>)
        case end
        case again
        case failed(Int32)
    }

    static func receive(_ descriptor: Int32, into buffer: inout [UInt8]) -> Received {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
            }
            if count > 0 { return .bytes(buffer[0..<count]) }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .again
            default: return .failed(errno)
            }
        }
    }

    /// What the kernel refused to send.
    struct SendFailure: Error {
        var code: Int32
    }

    /// 0, or the errno. Blocks up to the socket's send time-out.
    static func send(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        switch send(bytes, to: descriptor, flags: 0) {
        case .success: 0
        case .failure(let failure): failure.code
        }
    }

    /// How many bytes the socket's buffer took; never blocks.
    static func sendNow(_ bytes: [UInt8], to descriptor: Int32) -> Result<Int, SendFailure> {
        send(bytes, to: descriptor, flags: Int32(MSG_DONTWAIT))
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32, flags: Int32) -> Result<Int, SendFailure> {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[done...])
                return unsafe Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL) | flags)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN, flags != 0 { break }
            guard count >= 0 else { return .failure(SendFailure(code: errno)) }
            done += count
        }
        return .success(done)
    }

    static func setSendTimeout(_ descriptor: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// True when readable (or closed) before the time is over; negative waits for ever.
    static func waitReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, milliseconds) > 0
    }

    /// Ends both directions; a blocked reader wakes up.
    static func shutDown(_ descriptor: Int32) { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    static func pause(milliseconds: Int32) { _ = poll(nil, 0, milliseconds) }

    static func unlink(_ path: String) { _ = unsafe Glibc.unlink(path) }

    static var ownUser: UInt32 { geteuid() }

    /// Monotonic, milliseconds.
    static var milliseconds: Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    static func groupID(named name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        var entry = unsafe group()
        var found = unsafe UnsafeMutablePointer<group>?.none
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        let result = unsafe buffer.withUnsafeMutableBufferPointer { space in
            unsafe getgrnam_r(name, &entry, space.baseAddress, space.count, &found)
        }
        guard result == 0, unsafe found != nil else { return nil }
        return unsafe entry.gr_gid
    }
}

/// A group of the machine by name, or by number written as text; nil when there is none.
public func localGroupID(named name: String) -> UInt32? { LocalSocket.groupID(named: name) }
