import Foundation
import GRDB

/// Opening, checking and making the database file.
extension SQLiteStore {
    /// Version of the tables, and of the events and images in them, that this program reads and writes. Rises with
    /// every change that an earlier program could not read, or that reads what an earlier one wrote as something else.
    static let schemaVersion = 2
    /// The first version that is brought up to the present one. What was written before any release is not.
    static let schemaVersionMin = 2
    /// `PRAGMA application_id`: "OTRC".
    private static let applicationID = 0x4f54_5243

    static func makeDirectory(_ directory: String) throws(StoreError) {
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
        } catch let error as CocoaError
            where error.code == .fileWriteNoPermission || error.code == .fileWriteVolumeReadOnly
        {
            throw .permission(path: directory)
        } catch {
            throw .cannotOpen(path: directory, reason: error.localizedDescription)
        }
    }

    static func open(_ path: String) throws(StoreError) -> DatabaseQueue {
        do {
            var configuration = Configuration()
            configuration.label = "outrider-store"
            configuration.busyMode = .immediateError
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { db in
                try refuseForeignOrOther(db, path: path)
                try checkPages(db, path: path)
                try makeDurable(db, path: path)
                try db.inTransaction(.immediate) {
                    try makeTables(db)
                    return .commit
                }
            }
            return queue
        } catch {
            throw storeError(error, path: path)
        }
    }

    private static func refuseForeignOrOther(_ db: Database, path: String) throws {
        let application = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        guard application == applicationID || (application == 0 && tables == 0) else {
            throw StoreError.foreign(path: path)
        }
        guard tables > 0 else { return }
        let isNamed = try Bool.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master WHERE name = 'meta'") ?? false
        let text = try isNamed ? String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'schema-version'") : nil
        guard let text, let version = Int(text) else {
            throw StoreError.corrupt(path: path, detail: "it has no schema version")
        }
        guard version <= schemaVersion else {
            throw StoreError.newerVersion(path: path, found: version, supported: schemaVersion)
        }
        guard version >= schemaVersionMin else {
            throw StoreError.olderVersion(path: path, found: version, supported: schemaVersion)
        }
    }

    private static func checkPages(_ db: Database, path: String) throws {
        let answer = try String.fetchOne(db, sql: "PRAGMA quick_check(1)")
        guard answer == "ok" else {
            throw StoreError.corrupt(path: path, detail: answer ?? "no answer to quick_check")
        }
    }

    /// Write-ahead log with a synchronisation per commit. GRDB's own WAL set-up lowers `synchronous` to NORMAL, so the
    /// two are set here, and what the writing connection really has is read back.
    private static func makeDurable(_ db: Database, path: String) throws {
        let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode = WAL")
        try db.execute(sql: "PRAGMA synchronous = FULL")
        let synchronous = try Int.fetchOne(db, sql: "PRAGMA synchronous")
        guard mode == "wal", synchronous == 2 else {
            throw StoreError.notDurable(
                path: path, detail: "journal_mode \(mode ?? "?"), synchronous \(synchronous ?? -1)")
        }
    }

    private static func makeTables(_ db: Database) throws {
        guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0 else { return }
        try db.execute(
            sql: """
                PRAGMA application_id = \(applicationID);
                CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE event (sequence INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, event BLOB NOT NULL);
                CREATE TABLE snapshot (sequence INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, image BLOB NOT NULL);
                INSERT INTO meta (key, value) VALUES ('schema-version', '\(schemaVersion)');
                """)
    }

    /// Pragmas in force on the writing connection, for tests.
    func durability() async throws -> (journalMode: String?, synchronous: Int?) {
        try await inspect { db in
            (
                try String.fetchOne(db, sql: "PRAGMA journal_mode"), try Int.fetchOne(db, sql: "PRAGMA synchronous")
            )
        }
    }

    static func storeError(_ error: any Error, path: String) -> StoreError {
        if let error = error as? StoreError { return error }
        guard let error = error as? DatabaseError else {
            return .writeFailed(path: path, reason: "\(error)")
        }
        let text = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .locked(path: path)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return .corrupt(path: path, detail: text)
        case .SQLITE_CANTOPEN: return .cannotOpen(path: path, reason: text)
        case .SQLITE_PERM, .SQLITE_READONLY, .SQLITE_AUTH: return .permission(path: path)
        default: return .writeFailed(path: path, reason: text)
        }
    }
}
