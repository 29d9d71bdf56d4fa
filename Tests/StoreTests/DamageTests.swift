import CoordinatorCore
import Foundation
import GRDB
import Testing

@testable import Store

/// Files that a crash, a disk, another version or another program left behind.
@Suite struct DamageTests {
    private func open(_ path: String) -> StoreError? {
        do {
            _ = try SQLiteStore(directory: path)
            return nil
        } catch {
            return error
        }
    }

    /// Changes a closed store with a plain connection.
    private func edit(_ directory: borrowing TemporaryDirectory, sql: String) throws {
        let queue = try DatabaseQueue(path: directory.database)
        try queue.write { try $0.execute(sql: sql) }
        try queue.close()
    }

    private func filled(_ directory: borrowing TemporaryDirectory, events: Int) async throws {
        let store = try SQLiteStore(directory: directory.path)
        _ = try await store.append((1...UInt64(events)).map(session))
        try await store.close()
    }

    @Test func anotherSchemaIsRefusedAndNotTouched() async throws {
        let directory = try TemporaryDirectory()
        try await filled(directory, events: 1)
        let path = directory.database
        let cases: [(String, StoreError)] = [
            ("3", .newerVersion(path: path, found: 3, supported: 2)),
            ("1", .olderVersion(path: path, found: 1, supported: 2)),
            ("0", .olderVersion(path: path, found: 0, supported: 2)),
            ("two", .corrupt(path: path, detail: "it has no schema version")),
        ]
        for (version, error) in cases {
            try edit(directory, sql: "UPDATE meta SET value = '\(version)' WHERE key = 'schema-version'")
            #expect(open(directory.path) == error)
        }
        try edit(directory, sql: "UPDATE meta SET value = '2' WHERE key = 'schema-version'")
        #expect(try await SQLiteStore(directory: directory.path).load().events.count == 1)
        try edit(directory, sql: "DROP TABLE meta")
        #expect(open(directory.path) == .corrupt(path: path, detail: "it has no schema version"))
    }

    /// Both versions, and a way out.
    @Test func versionsAreNamed() {
        let newer = "\(StoreError.newerVersion(path: "/x", found: 3, supported: 2))"
        #expect(newer.contains("version 3") && newer.contains("up to 2") && newer.contains("run the newer program"))
        let older = "\(StoreError.olderVersion(path: "/x", found: 1, supported: 2))"
        #expect(older.contains("version 1") && older.contains("version 2") && older.contains("empty state-directory"))
    }

    @Test func databaseOfAnotherProgramIsRefused() throws {
        let directory = try TemporaryDirectory()
        try edit(directory, sql: "CREATE TABLE t (a)")
        #expect(open(directory.path) == .foreign(path: directory.database))
    }

    @Test func noise() throws {
        let directory = try TemporaryDirectory()
        try Data(repeating: 0x5a, count: 8192).write(to: URL(filePath: directory.database))
        guard case .corrupt = open(directory.path) else {
            Issue.record("noise was taken for a database")
            return
        }
    }

    @Test func changedBytesInsideAnEventAreSeen() async throws {
        let directory = try TemporaryDirectory()
        try await filled(directory, events: 3)
        try edit(directory, sql: "UPDATE event SET event = replace(event, 'run 2', 'run 9') WHERE sequence = 2")
        let store = try SQLiteStore(directory: directory.path)
        await #expect(
            throws: StoreError.corrupt(path: directory.database, detail: "event 2 has a wrong checksum")
        ) { try await store.load() }
    }

    @Test func aMissingEventIsSeen() async throws {
        let directory = try TemporaryDirectory()
        try await filled(directory, events: 3)
        try edit(directory, sql: "DELETE FROM event WHERE sequence = 2")
        let store = try SQLiteStore(directory: directory.path)
        await #expect(throws: StoreError.corrupt(path: directory.database, detail: "event 2 is missing")) {
            try await store.load()
        }
    }

    @Test func aSnapshotWithChangedBytesIsSeen() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        _ = try await store.append([session(1)])
        try await store.save(StoredSnapshot(sequence: 1, image: [1, 2, 3]))
        _ = try await store.inspect { try $0.execute(sql: "UPDATE snapshot SET image = x'010204'") }
        await #expect(throws: StoreError.self) { try await store.load() }
    }

    @Test func aFileInPlaceOfTheDirectoryIsNamed() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        try Data().write(to: URL(filePath: path))
        guard case .cannotOpen = open(path + "/below") else {
            Issue.record("a file was taken for a directory")
            return
        }
    }

    /// A crash leaves the database file and some length of its log. Whatever the length: whole batches, in order,
    /// and every batch when the log is whole.
    @Test func logCutAnywhereLeavesWholeBatches() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        let batch = 3
        for number in 1...12 {
            _ = try await store.append((0..<batch).map { session(UInt64(number * 100 + $0)) })
        }
        // Copied while the store is open: exactly what a killed process leaves to its successor.
        let database = try Data(contentsOf: URL(filePath: directory.database))
        let log = try Data(contentsOf: URL(filePath: directory.database + "-wal"))
        #expect(log.count > 0)
        var seen = Set<Int>()
        for step in 0...40 {
            let copy = try TemporaryDirectory()
            try database.write(to: URL(filePath: copy.database))
            try log.prefix(log.count * step / 40).write(to: URL(filePath: copy.database + "-wal"))
            let state = try await SQLiteStore(directory: copy.path).load()
            #expect(state.events.count % batch == 0)
            let expected = (1...12).flatMap { number in (0..<batch).map { session(UInt64(number * 100 + $0)) } }
            #expect(state.events.map(\.event) == Array(expected.prefix(state.events.count)))
            seen.insert(state.events.count)
        }
        #expect(seen.contains(12 * batch), "the whole log gives every batch")
        #expect(seen.count > 3, "the cuts fell into different batches: \(seen.sorted())")
    }
}
