import ControlAPI
import CoordinatorCore
import GRPCCore
import NetworkTypes
import Store
import Synchronization
import Testing

@testable import Coordinator

/// A store in memory that counts, waits on demand and fails on demand.
private actor ScriptedStore: Store {
    private(set) var appends = 0
    private(set) var events: [CoordinatorEvent] = []
    private var failing = false
    private var gate: CheckedContinuation<Void, Never>?
    private var holdNext = false

    func hold() { holdNext = true }
    var isHolding: Bool { gate != nil }
    func release() {
        gate?.resume()
        gate = nil
    }
    func fail() { failing = true }

    func load() async throws(StoreError) -> StoredState { StoredState() }
    func append(_ events: [CoordinatorEvent]) async throws(StoreError) -> UInt64 {
        if holdNext {
            holdNext = false
            await withCheckedContinuation { gate = $0 }
        }
        if failing { throw .writeFailed(path: "memory", reason: "no space left on device") }
        appends += 1
        self.events += events
        return UInt64(self.events.count)
    }
    func save(_ snapshot: StoredSnapshot) async throws(StoreError) {}
    func meta(_ key: String) async throws(StoreError) -> String? { nil }
    func setMeta(_ key: String, _ value: String) async throws(StoreError) {}
    func close() async throws(StoreError) {}
}

@Suite struct WriterTests {
    private func shell(_ store: ScriptedStore) async throws -> CoordinatorShell {
        let clock = CoordinatorClock()
        let recovered = try await RecoveredMachine.load(
            CoordinatorConfiguration(pool: [SNIRange(unchecked: 4096, count: 8192)]), seed: 1, store: store,
            at: clock.now)
        return CoordinatorShell(
            recovered: recovered, store: store, clock: clock, tickInterval: .seconds(1), logger: quietLogger)
    }

    private func eventually(_ condition: () async -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(600)
        while await !condition() {
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(2))
        }
        return true
    }

    /// While one batch is on its way to the disk all who come wait, and the next batch carries them together.
    @Test func callersShareOneSynchronisation() async throws {
        let store = ScriptedStore()
        let shell = try await shell(store)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await shell.write() }
            _ = try await shell.execute(.createApplication(name: "first", policy: ApplicationPolicy(), id: nil))
            await store.hold()
            let before = await store.appends
            group.addTask {
                _ = try await shell.execute(.createApplication(name: "second", policy: ApplicationPolicy(), id: nil))
            }
            #expect(try await eventually { await store.isHolding })
            for number in 0..<40 {
                group.addTask {
                    _ = try await shell.execute(
                        .createApplication(name: "a\(number)", policy: ApplicationPolicy(), id: nil))
                }
            }
            #expect(try await eventually { await shell.queueLength == 40 })
            await store.release()
            #expect(try await eventually { await shell.isIdle })
            #expect(await store.appends == before + 2)
            await shell.finish()
            try await group.waitForAll()
        }
    }

    /// Nobody is told what is not durable: neither the caller of the failed write nor a reader behind it.
    @Test func failedWriteAnswersNobodyAndEndsTheShell() async throws {
        let store = ScriptedStore()
        let shell = try await shell(store)
        let writer = Task { try await shell.write() }
        _ = try await shell.execute(.createApplication(name: "kept", policy: ApplicationPolicy(), id: nil))
        await store.hold()
        await store.fail()
        async let lost = refusal {
            _ = try await shell.execute(.createApplication(name: "lost", policy: ApplicationPolicy(), id: nil))
        }
        #expect(try await eventually { await store.isHolding })
        async let read = refusal {
            _ = try await shell.read { (machine, _) throws(CoordinatorError) in machine.applications() }
        }
        #expect(try await eventually { await shell.queueLength == 1 })
        await store.release()
        #expect(await lost == "unavailable -")
        #expect(await read == "unavailable -")
        await #expect(throws: StoreError.self) { try await writer.value }
        let after = await refusal {
            _ = try await shell.execute(.createApplication(name: "late", policy: ApplicationPolicy(), id: nil))
        }
        #expect(after == "unavailable -")
        #expect(throws: RPCError.self) { try shell.streams.open() }
    }
}
