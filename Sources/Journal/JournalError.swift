/// Why the journal could not be opened or written. Every case carries what an operator needs to know.
public enum JournalError: Error, Hashable, Sendable {
    /// Another process has it open: stop that one first.
    case locked(path: String)
    /// No room left (ENOSPC, EDQUOT): free some and start the agent again. Running VMs are not touched.
    case diskFull(path: String)
    /// A system call failed.
    case system(operation: String, path: String, errno: Int32)
    /// Not a journal, or of a newer version.
    case unknownFormat(path: String, reason: String)
    /// A record in the middle is damaged: `offset` is its first byte in the file. What follows is intact, so it was not
    /// a torn write; the disk or somebody changed the file.
    case damaged(path: String, offset: Int, reason: String)
    /// A record larger than ``Journal/payloadMax``.
    case tooLarge(bytes: Int, limit: Int)
    /// The caller's count of records and the journal's differ.
    case wrongSequence(expected: UInt64, next: UInt64)
    /// An earlier write failed, and what the disk has is not known any more: open it again.
    case failed(reason: String)
    case closed
}

extension JournalError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .locked(let path): "\(path) is in use by another process; stop it first"
        case .diskFull(let path): "no room left for \(path); free some and start the agent again"
        case .system(let operation, let path, let errno): "\(operation) \(path): errno \(errno)"
        case .unknownFormat(let path, let reason): "\(path) is no journal of this version: \(reason)"
        case .damaged(let path, let offset, let reason):
            "\(path) is damaged at byte \(offset): \(reason); move it away to start in recovery, nothing running is touched"
        case .tooLarge(let bytes, let limit): "a record of \(bytes) bytes exceeds \(limit)"
        case .wrongSequence(let expected, let next):
            "the caller expects record \(expected), the journal has \(next) next"
        case .failed(let reason): "an earlier write failed: \(reason)"
        case .closed: "the journal is closed"
        }
    }
}
