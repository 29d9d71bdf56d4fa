/// Why a store cannot be opened, read or written.
public enum StoreError: Error, Hashable, Sendable {
    /// Another process holds it.
    case locked(path: String)
    /// Written by a newer version of the program.
    case newerVersion(path: String, found: Int, supported: Int)
    /// Written by a version of the program from before the first release.
    case olderVersion(path: String, found: Int, supported: Int)
    /// A database of something else.
    case foreign(path: String)
    /// Its content is damaged.
    case corrupt(path: String, detail: String)
    /// The directory or file cannot be made or opened.
    case cannotOpen(path: String, reason: String)
    /// Not permitted to make, open or write it.
    case permission(path: String)
    /// The disk is full or fails. Nothing of the batch was kept.
    case writeFailed(path: String, reason: String)
    /// The database cannot give the durability that is asked of it.
    case notDurable(path: String, detail: String)
    /// An event or snapshot out of order: a programming error of the caller.
    case outOfOrder(path: String, detail: String)
}

extension StoreError: CustomStringConvertible {
    /// What is wrong with which file, and what to do.
    public var description: String {
        switch self {
        case .locked(let path):
            "database \(path) is locked by another process; stop the other coordinator, or give this one another"
                + " state-directory"
        case .newerVersion(let path, let found, let supported):
            "database \(path) has schema version \(found), this program knows versions up to \(supported); run the"
                + " newer program that wrote it, or restore a backup of this version"
        case .olderVersion(let path, let found, let supported):
            "database \(path) has schema version \(found), written by an unreleased program, and this program reads"
                + " version \(supported); run the program that wrote it, or give this one an empty state-directory"
        case .foreign(let path):
            "\(path) is a database of another program; choose another state-directory"
        case .corrupt(let path, let detail):
            "database \(path) is damaged (\(detail)); keep a copy of the state-directory and restore a backup"
        case .cannotOpen(let path, let reason):
            "cannot open \(path): \(reason); check the state-directory"
        case .permission(let path):
            "no permission for \(path); make the state-directory writable for the user that runs the coordinator"
        case .writeFailed(let path, let reason):
            "cannot write \(path): \(reason); free space or mend the disk, then start again"
        case .notDurable(let path, let detail):
            "database \(path) does not write durably (\(detail)); put the state-directory on a local file system"
        case .outOfOrder(let path, let detail):
            "database \(path): \(detail)"
        }
    }
}
