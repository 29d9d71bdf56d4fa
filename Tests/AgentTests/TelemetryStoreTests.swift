import AgentCore
import FleetMapping
import FleetProtocol
import Foundation
import Journal
import LocalAPI
import Logging
import NetworkTypes
import Testing

@testable import Agent

@Suite struct TelemetryStoreTests {
    private static let logger = Logger(label: "test")
    private static let boot = BootID(UUID128(high: 1, low: 1))
    private static let identity = JournalIdentity(
        incarnation: Incarnation(UUID128(high: 2, low: 2)), fingerprint: "machine")

    private final class Folder {
        let path = NSTemporaryDirectory() + "otr-\(UUID())"
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        var file: URL { URL(filePath: path + "/telemetry") }
    }

    private static func open(
        _ folder: Folder, boot: BootID = boot, identity: JournalIdentity = identity
    ) async throws -> TelemetryStore {
        try await TelemetryStore.open(directory: folder.path, identity: identity, boot: boot, logger: logger)
    }

    private static func batch(_ sequence: UInt64, folded: Int = 1) -> Aggregates {
        let part = ApplicationAggregate(
            application: ApplicationID(UUID128(high: 3, low: 3)), vms: 1, peakVMs: 2, cooling: 0,
            launches: Int(sequence), stops: 0, misses: 0, waited: .milliseconds(5), traffic: nil)
        return Aggregates(
            sequence: sequence, interval: .seconds(10), endedAt: Instant(nanoseconds: Int64(sequence) * 10_000_000_000),
            applications: [part], folded: folded)
    }

    @Test func whatWasKeptIsThereAgain() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        #expect(store.batches.isEmpty && store.workloads.isEmpty && store.lostIntervals == 0)
        store.keep(.replace([Self.batch(1), Self.batch(2)]))
        store.keep(.append(Self.batch(3)))
        let group = AssignedWorkload(wish: .controlGroup("/sys/fs/cgroup/a"), began: nil)
        let process = AssignedWorkload(wish: .process(77), began: Instant(nanoseconds: 5))
        store.assign(process, to: "vm-1")
        store.assign(group, to: "vm-2")
        store.assign(process, to: "vm-3")
        store.assign(nil, to: "vm-3")
        await store.close()
        let again = try await Self.open(folder)
        #expect(again.batches == [Self.batch(1), Self.batch(2), Self.batch(3)])
        #expect(again.workloads == ["vm-1": process, "vm-2": group])
        // Taken by the coordinator: the workloads stay.
        again.keep(.replace([]))
        await again.close()
        let third = try await Self.open(folder)
        #expect(third.batches.isEmpty && third.workloads.count == 2 && third.problem == nil)
        await third.close()
    }

    @Test func intervalsOfAnotherBootAreCountedAndNotTold() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        store.keep(.replace([Self.batch(4, folded: 4), Self.batch(5)]))
        await store.close()
        let later = try await Self.open(folder, boot: BootID(UUID128(high: 9, low: 9)))
        #expect(later.batches.isEmpty && later.lostIntervals == 5)
        await later.close()
    }

    /// A batch of another version, say: it is not told, but it is counted.
    @Test func aBatchThatCantBeReadIsCounted() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        store.keep(.append(Self.batch(3, folded: 3)))
        await store.close()
        let (journal, contents) = try Journal.open(path: folder.file.path, identity: Self.identity)
        let record = try #require(contents.lines.last).payload
        let size = try Self.batch(3, folded: 3).encoded().count
        for body: [UInt8] in [[0xff, 0xff], []] {
            await withCheckedContinuation { done in
                journal.submit([Array(record.dropLast(size)) + body]) { _ in done.resume() }
            }
        }
        await withCheckedContinuation { done in journal.submit([[record[0], 1]]) { _ in done.resume() } }
        await journal.close()
        let again = try await Self.open(folder)
        #expect(again.batches == [Self.batch(3, folded: 3)] && again.lostIntervals == 3 + 3 + 1)
        await again.close()
    }

    @Test(arguments: [0, 1])
    func aDamagedOrForeignFileStartsAnew(how: Int) async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        for sequence in 1...5 { store.keep(.append(Self.batch(UInt64(sequence)))) }
        await store.close()
        var identity = Self.identity
        var bytes = try Data(contentsOf: folder.file)
        switch how {
        case 0: bytes.replaceSubrange(0..<8, with: Data(repeating: 0, count: 8))
        default: identity.incarnation = Incarnation(UUID128(high: 8, low: 8))
        }
        try bytes.write(to: folder.file)
        let again = try await Self.open(folder, identity: identity)
        #expect(again.batches.isEmpty)
        again.keep(.append(Self.batch(9)))
        await again.close()
        let third = try await Self.open(folder, identity: identity)
        #expect(third.batches == [Self.batch(9)])
        await third.close()
    }

    /// What stands before a flipped bit is kept, as far as the journal can tell it from a torn write; nothing is guessed.
    @Test func aFlippedBitGuessesNothing() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        for sequence in 1...5 { store.keep(.append(Self.batch(UInt64(sequence)))) }
        await store.close()
        var bytes = try Data(contentsOf: folder.file)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: folder.file)
        let again = try await Self.open(folder)
        let kept = again.batches
        #expect(kept.count < 5 && kept == (1...5).prefix(kept.count).map { Self.batch(UInt64($0)) })
        again.keep(.append(Self.batch(9)))
        await again.close()
        let third = try await Self.open(folder)
        #expect(third.batches == kept + [Self.batch(9)])
        await third.close()
    }

    @Test func aTornTailLosesItsRecordOnly() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        for sequence in 1...5 { store.keep(.append(Self.batch(UInt64(sequence)))) }
        await store.close()
        let bytes = try Data(contentsOf: folder.file)
        try bytes.dropLast(7).write(to: folder.file)
        let again = try await Self.open(folder)
        #expect(again.batches.map(\.sequence) == [1, 2, 3, 4])
        await again.close()
    }

    /// The file does not grow with the time that it is used.
    @Test func recordsAreMadeOneNowAndThen() async throws {
        let folder = try Folder()
        let store = try await Self.open(folder)
        for number in 0..<5000 {
            let began = Instant(nanoseconds: Int64(number))
            store.assign(AssignedWorkload(wish: .process(1), began: began), to: "vm-\(number % 3)")
        }
        await store.close()
        let size = try FileManager.default.attributesOfItem(atPath: folder.file.path)[.size] as? Int ?? 0
        #expect(size < 200_000)
        let again = try await Self.open(folder)
        #expect(again.workloads["vm-1"]?.began == Instant(nanoseconds: 4999))
        await again.close()
    }
}
