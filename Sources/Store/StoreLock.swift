import CSystemShim
import Glibc
import Synchronization

// Unsafe leaf: open(2), flock(2) and close(2) on the lock file.

/// The exclusive right to a store, held until ``release()`` or deinitialisation. The kernel gives it back when the
/// process dies, however it dies.
final class StoreLock: Sendable {
    private let descriptor: Mutex<Int32?>

    /// - Parameter path: the lock file; made when missing, never removed (removing it would let two openers hold
    ///   different files of the same name).
    init(path: String) throws(StoreError) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let code = errno
            if code == EACCES || code == EPERM || code == EROFS { throw .permission(path: path) }
            throw .cannotOpen(path: path, reason: Self.reason(code))
        }
        let result = outrider_lock_exclusive(descriptor)
        guard result == 0 else {
            _ = Glibc.close(descriptor)
            if result == -EWOULDBLOCK { throw .locked(path: path) }
            throw .cannotOpen(path: path, reason: Self.reason(-result))
        }
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    /// Gives the right back; calling it again does nothing.
    func release() {
        let held = descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
        // Unlocked first: a child that is just being forked off holds a copy of the descriptor until it executes.
        if let held {
            _ = flock(held, LOCK_UN)
            _ = Glibc.close(held)
        }
    }

    private static func reason(_ code: Int32) -> String {
        unsafe strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
    }
}
