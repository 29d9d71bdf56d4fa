import Foundation

/// True when the process has a handler for the signal, or ignores it.
func signalIsHandled(_ number: Int32) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return false }
    let bit = UInt64(1) << UInt64(number - 1)
    return status.split(separator: "\n").contains { line in
        guard line.hasPrefix("SigCgt:") || line.hasPrefix("SigIgn:"), let hex = line.split(separator: "\t").last,
            let mask = UInt64(hex, radix: 16)
        else { return false }
        return mask & bit != 0
    }
}

/// A Unix datagram socket, as a service manager has one.
final class DatagramReceiver {
    private let descriptor: Int32
    private let path: String

    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, size) }
        }
        guard bound == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// One datagram; the timeout only turns a hang into a failure.
    func receive() -> String {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe Foundation.poll(&poll, 1, 10_000) == 1 else { return "" }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
}
