import CSystemShim
import Glibc

/// A file descriptor with the few calls that a journal needs. The one place of this module that talks to the kernel.
struct JournalFile: Sendable {
    let descriptor: Int32
    let path: String

    static func open(_ path: String, flags: Int32) throws(JournalError) -> JournalFile {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("open", path) }
        return JournalFile(descriptor: descriptor, path: path)
    }

    static func failure(_ operation: String, _ path: String, code: Int32 = errno) -> JournalError {
        code == ENOSPC || code == EDQUOT
            ? .diskFull(path: path) : .system(operation: operation, path: path, errno: code)
    }

    func lock() throws(JournalError) {
        let result = outrider_lock_exclusive(descriptor)
        if result == -EWOULDBLOCK { throw .locked(path: path) }
        if result < 0 { throw Self.failure("flock", path, code: -result) }
    }

    func readAll() throws(JournalError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe pread(descriptor, $0.baseAddress, $0.count, off_t(bytes.count))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Self.failure("read", path) }
            if count == 0 { return bytes }
            bytes += buffer[0..<count]
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(JournalError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { all in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: all[done...])
                return unsafe pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("write", path) }
            done += count
        }
    }

    func sync() throws(JournalError) {
        guard fdatasync(descriptor) == 0 else { throw Self.failure("fdatasync", path) }
    }

    func truncate(to size: Int) throws(JournalError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Self.failure("truncate", path) }
    }

    /// Unlocks first: a child that some thread is just forking off holds a copy of the descriptor until it executes, and
    /// with it the lock.
    func close() {
        _ = flock(descriptor, LOCK_UN)
        _ = Glibc.close(descriptor)
    }

    /// A second name for this very file, which stays when the first one gets another: `PATH.damaged-1`, or the next number
    /// that is free. A start that died after it has done so finds its name again.
    func setAside() throws(JournalError) -> String {
        var own = stat()
        guard unsafe fstat(descriptor, &own) == 0 else { throw Self.failure("stat", path) }
        for number in 1... {
            let name = "\(path).damaged-\(number)"
            if unsafe link(path, name) == 0 {
                try Self.syncDirectory(of: path)
                return name
            }
            guard errno == EEXIST else { throw Self.failure("link", name) }
            var other = stat()
            if unsafe lstat(name, &other) == 0, other.st_ino == own.st_ino, other.st_dev == own.st_dev { return name }
        }
        throw .failed(reason: "no name left beside \(path)")
    }

    /// A new name is durable only when its folder is.
    static func syncDirectory(of path: String) throws(JournalError) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let file = try open(folder, flags: O_RDONLY | O_DIRECTORY)
        defer { file.close() }
        guard fsync(file.descriptor) == 0 else { throw failure("fsync", folder) }
    }

    static func rename(_ from: String, to: String) throws(JournalError) {
        guard unsafe Glibc.rename(from, to) == 0 else { throw failure("rename", from) }
    }
}
