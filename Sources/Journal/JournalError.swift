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
    /// What was found is damaged (``Journal/Contents/damage``), and nothing has replaced it yet.
    case damaged(JournalDamage)
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
        case .damaged(let damage): "the journal is damaged, and nothing has taken its place: \(damage)"
        case .tooLarge(let bytes, let limit): "a record of \(bytes) bytes exceeds \(limit)"
        case .wrongSequence(let expected, let next):
            "the caller expects record \(expected), the journal has \(next) next"
        case .failed(let reason): "an earlier write failed: \(reason)"
        case .closed: "the journal is closed"
        }
    }
}

/// What is wrong with a journal that was found: the disk or somebody changed the file.
public struct JournalDamage: Hashable, Sendable, CustomStringConvertible {
    /// First byte of the record, or of the header, that is not as it was written.
    public var offset: Int
    public var reason: String
    /// Bytes from there on, whose records are lost.
    public var lostBytes: Int
    /// Where the whole file stands as it was found; nil for who only looked.
    public var setAside: String?

    public var description: String {
        "at byte \(offset), \(reason); \(lostBytes) bytes from there on count for nothing"
            + (setAside.map { "; all of it is kept as \($0)" } ?? "")
    }
}
