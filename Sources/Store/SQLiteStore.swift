public import CoordinatorCore
import Foundation
import GRDB

/// The store in one SQLite file: write-ahead log, full synchronisation verified on the connection that writes, one
/// transaction per batch.
public final class SQLiteStore: Store {
    /// Name of the file inside the state directory.
    public static let fileName = "coordinator.sqlite"

    private let path: String
    private let database: DatabaseQueue
    private let lock: StoreLock

    /// Opens or makes the database in a directory, which is made when missing.
    public init(directory: String) throws(StoreError) {
        path = directory + "/" + Self.fileName
        try Self.makeDirectory(directory)
        do {
            lock = try StoreLock(path: path + ".lock")
        } catch {
            if case .locked = error { throw .locked(path: path) }
            throw error
        }
        database = try Self.open(path)
    }

    // MARK: Reading

    public func load() async throws(StoreError) -> StoredState {
        try await access { db in
            let snapshot = try Row.fetchOne(
                db, sql: "SELECT sequence, checksum, image FROM snapshot ORDER BY sequence DESC LIMIT 1"
            ).map { try Self.snapshot($0, path: self.path) }
            var next = (snapshot?.sequence ?? 0) + 1
            var events: [StoredEvent] = []
            let decoder = JSONDecoder()
            let rows = try Row.fetchCursor(
                db, sql: "SELECT sequence, checksum, event FROM event WHERE sequence >= ? ORDER BY sequence",
                arguments: [Int64(next)])
            while let row = try rows.next() {
                let event = try Self.event(row, decoder: decoder, path: self.path)
                guard event.sequence == next else {
                    throw StoreError.corrupt(path: self.path, detail: "event \(next) is missing")
                }
                events.append(event)
                next += 1
            }
            return StoredState(snapshot: snapshot, events: events)
        }
    }

    public func meta(_ key: String) async throws(StoreError) -> String? {
        try await access { db in
            try String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = ?", arguments: [key])
        }
    }

    // MARK: Writing

    public func append(_ events: [CoordinatorEvent]) async throws(StoreError) -> UInt64 {
        let encoder = JSONEncoder()
        // Two encodings of one event are the same bytes, so that copies of a store can be compared.
        encoder.outputFormatting = [.sortedKeys]
        let blobs: [Data]
        do {
            blobs = try events.map { try encoder.encode($0) }
        } catch {
            throw .writeFailed(path: path, reason: "an event cannot be encoded: \(error)")
        }
        return try await access { db in
            try db.inTransaction(.immediate) {
                var sequence = try Self.lastSequence(db)
                let statement = try db.cachedStatement(
                    sql: "INSERT INTO event (sequence, checksum, event) VALUES (?, ?, ?)")
                for blob in blobs {
                    sequence += 1
                    try statement.execute(arguments: [sequence, Checksum.of(blob), blob])
                }
                return .commit
            }
            return UInt64(try Self.lastSequence(db))
        }
    }

    public func save(_ snapshot: StoredSnapshot) async throws(StoreError) {
        let image = Data(snapshot.image)
        let sequence = Int64(snapshot.sequence)
        try await access { db in
            let last = try Self.lastSequence(db)
            guard sequence <= last else {
                throw StoreError.outOfOrder(
                    path: self.path, detail: "a snapshot of event \(sequence) when the last event is \(last)")
            }
            try db.inTransaction(.immediate) {
                try db.execute(
                    sql: "INSERT OR REPLACE INTO snapshot (sequence, checksum, image) VALUES (?, ?, ?)",
                    arguments: [sequence, Checksum.of(image), image])
                try db.execute(sql: "DELETE FROM snapshot WHERE sequence < ?", arguments: [sequence])
                try db.execute(sql: "DELETE FROM event WHERE sequence <= ?", arguments: [sequence])
                return .commit
            }
        }
    }

    public func setMeta(_ key: String, _ value: String) async throws(StoreError) {
        try await access { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", arguments: [key, value])
        }
    }

    public func close() async throws(StoreError) {
        do {
            try database.close()
        } catch {
            throw Self.storeError(error, path: path)
        }
        lock.release()
    }

    // MARK: Helpers

    /// For tests, which look at what a connection really does.
    func inspect<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        try await database.writeWithoutTransaction(body)
    }

    private func access<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(StoreError) -> T {
        do {
            return try await database.writeWithoutTransaction(body)
        } catch {
            throw Self.storeError(error, path: path)
        }
    }

    /// Sequence of the newest event or, when a snapshot replaced them all, of the snapshot.
    private static func lastSequence(_ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(
            sql:
                "SELECT max(ifnull((SELECT max(sequence) FROM event), 0), ifnull((SELECT max(sequence) FROM snapshot), 0))"
        )
        return try Int64.fetchOne(statement) ?? 0
    }

    private static func event(_ row: Row, decoder: JSONDecoder, path: String) throws -> StoredEvent {
        let (sequence, blob): (Int64, Data) = (row["sequence"], row["event"])
        guard sequence > 0, row["checksum"] == Checksum.of(blob) else {
            throw StoreError.corrupt(path: path, detail: "event \(sequence) has a wrong checksum")
        }
        do {
            return StoredEvent(
                sequence: UInt64(sequence), event: try decoder.decode(CoordinatorEvent.self, from: blob))
        } catch {
            throw StoreError.corrupt(path: path, detail: "event \(sequence) cannot be read: \(error)")
        }
    }

    private static func snapshot(_ row: Row, path: String) throws -> StoredSnapshot {
        let (sequence, blob): (Int64, Data) = (row["sequence"], row["image"])
        guard sequence >= 0, row["checksum"] == Checksum.of(blob) else {
            throw StoreError.corrupt(path: path, detail: "the snapshot of event \(sequence) has a wrong checksum")
        }
        return StoredSnapshot(sequence: UInt64(sequence), image: Array(blob))
    }
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): SQLite does not notice changed bytes inside a blob.
enum Checksum {
    static func of(_ data: Data) -> Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in data { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Int64(bitPattern: hash)
    }
}
