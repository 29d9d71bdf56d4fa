import CoordinatorCore
import Foundation
import GRDB
import NetworkTypes
import Testing

@testable import Store

/// A directory that goes away with the test.
struct TemporaryDirectory: ~Copyable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "outrider-store-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var database: String { path + "/" + SQLiteStore.fileName }
}

func session(_ number: UInt64) -> CoordinatorEvent {
    .sessionCreated(
        SessionID(UUID128(high: 1, low: number)), application: ApplicationID(UUID128(high: 2, low: 2)),
        label: "run \(number)")
}

@Suite struct SQLiteStoreTests {
    @Test func whatWasAppendedIsThereAfterReopening() async throws {
        let directory = try TemporaryDirectory()
        let events: [CoordinatorEvent] = [.termStarted(1), session(1), session(2)]
        do {
            let store = try SQLiteStore(directory: directory.path)
            #expect(try await store.load() == StoredState())
            #expect(try await store.append(Array(events[..<1])) == 1)
            #expect(try await store.append(Array(events[1...])) == 3)
            #expect(try await store.append([]) == 3)
            try await store.setMeta("who", "me")
            try await store.close()
        }
        let again = try SQLiteStore(directory: directory.path)
        let state = try await again.load()
        #expect(state.events.map(\.event) == events)
        #expect(state.events.map(\.sequence) == [1, 2, 3])
        #expect(state.snapshot == nil && state.lastSequence == 3)
        #expect(try await again.meta("who") == "me")
        #expect(try await again.meta("nobody") == nil)
    }

    @Test func snapshotReplacesTheEventsItCovers() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        _ = try await store.append((1...5).map(session))
        try await store.save(StoredSnapshot(sequence: 3, image: [1, 2, 3]))
        var state = try await store.load()
        #expect(state.snapshot == StoredSnapshot(sequence: 3, image: [1, 2, 3]))
        #expect(state.events.map(\.event) == [session(4), session(5)])
        try await store.save(StoredSnapshot(sequence: 5, image: [9]))
        state = try await store.load()
        #expect(state == StoredState(snapshot: StoredSnapshot(sequence: 5, image: [9])))
        let kept = try await store.inspect { try Int.fetchOne($0, sql: "SELECT count(*) FROM snapshot") }
        #expect(kept == 1)
        // The numbering goes on where the snapshot ended.
        #expect(try await store.append([session(6)]) == 6)
    }

    @Test func snapshotOfTheFutureIsRefused() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        _ = try await store.append([session(1)])
        await #expect(throws: StoreError.self) { try await store.save(StoredSnapshot(sequence: 2, image: [])) }
        #expect(try await store.load().events.count == 1)
    }

    @Test func writingConnectionSynchronisesEveryCommit() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        let durability = try await store.durability()
        #expect(durability.journalMode == "wal")
        #expect(durability.synchronous == 2)
    }

    @Test func secondOpenerIsToldThatItIsLocked() async throws {
        let directory = try TemporaryDirectory()
        do {
            let first = try SQLiteStore(directory: directory.path)
            _ = try await first.append([session(1)])
            #expect(throws: StoreError.locked(path: directory.database)) {
                try SQLiteStore(directory: directory.path)
            }
            #expect("\(StoreError.locked(path: "/x"))".contains("stop the other coordinator"))
            #expect(try await first.append([session(2)]) == 2)
        }
        let second = try SQLiteStore(directory: directory.path)
        #expect(try await second.load().events.count == 2)
    }

    @Test func closedStoreMayBeOpenedWhileItsObjectLives() async throws {
        let directory = try TemporaryDirectory()
        let first = try SQLiteStore(directory: directory.path)
        _ = try await first.append([session(1)])
        try await first.close()
        let second = try SQLiteStore(directory: directory.path)
        #expect(try await second.load().events.count == 1)
        await #expect(throws: (any Error).self) { try await first.append([session(2)]) }
    }

    @Test func manyAppendersKeepOneOrder() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(directory: directory.path)
        let ends = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for number in 1...40 {
                group.addTask { try await store.append([session(UInt64(number)), .termStarted(1)]) }
            }
            return try await group.reduce(into: Set<UInt64>()) { $0.insert($1) }
        }
        #expect(ends == Set((1...40).map { UInt64($0 * 2) }))
        let state = try await store.load()
        #expect(state.events.map(\.sequence) == Array(1...80))
    }
}
