import Foundation
import Journal
import NetworkTypes
import Synchronization
import Testing

/// A folder of its own for each test, removed with it.
final class Folder: Sendable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "outrider-journal-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var journal: String { path + "/agent.journal" }
    var bytes: [UInt8] {
        get throws { Array(try Data(contentsOf: URL(fileURLWithPath: journal))) }
    }
    func put(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(fileURLWithPath: journal)) }
}

@Suite struct JournalTests {
    static let identity = JournalIdentity(incarnation: Incarnation(UUID128(high: 1, low: 2)), fingerprint: "ü/1")
    let folder: Folder
    init() throws { folder = try Folder() }

    func open() throws -> (journal: Journal, contents: Journal.Contents) {
        try Journal.open(path: folder.journal, identity: Self.identity)
    }

    /// Writes these payloads, each in a write of its own, and closes.
    func write(_ payloads: [[UInt8]]) async throws {
        let (journal, _) = try open()
        for payload in payloads { _ = try await journal.append([payload]) }
        await journal.close()
    }

    /// For whoever only looks: beside the writer, and without making or changing anything.
    @Test func itIsReadBesideItsWriter() async throws {
        #expect(try Journal.read(path: folder.journal) == nil)
        let (journal, _) = try open()
        _ = try await journal.append([[1], [2, 3]])
        let before = try folder.bytes
        let contents = try #require(try Journal.read(path: folder.journal))
        #expect(contents.identity == Self.identity && contents.lines.map(\.payload) == [[1], [2, 3]])
        await journal.close()
        try folder.put(before + [9, 9])
        #expect(try Journal.read(path: folder.journal)?.truncatedBytes == 2)
        #expect(try folder.bytes == before + [9, 9])
    }

    @Test func whatWasAppendedIsReadBack() async throws {
        let (journal, first) = try open()
        #expect(!first.existed && first.lines.isEmpty)
        #expect(try await journal.append([[1], [], [2, 3]], firstSequence: 1) == 3)
        #expect(try await journal.append([[4]], firstSequence: 4) == 4)
        await journal.close()
        let (again, contents) = try Journal.open(
            path: folder.journal,
            identity: JournalIdentity(incarnation: Incarnation(UUID128(high: 9, low: 9)), fingerprint: "other"))
        #expect(contents.existed && contents.identity == Self.identity && contents.truncatedBytes == 0)
        #expect(contents.lines.map(\.payload) == [[1], [], [2, 3], [4]])
        #expect(contents.lines.map(\.sequence) == [1, 2, 3, 4])
        #expect(again.nextSequence == 5)
        await again.close()
    }

    @Test func onlyOneProcessHoldsIt() async throws {
        let (journal, _) = try open()
        #expect(throws: JournalError.locked(path: folder.journal + ".lock")) { try open() }
        await journal.close()
        let (again, _) = try open()
        await again.close()
    }

    @Test func concurrentAppendsShareSyncsAndKeepTheirOrder() async throws {
        let (journal, _) = try open()
        let order = await withCheckedContinuation { continuation in
            let collected = Collected()
            for number in 0..<500 {
                journal.submit([[UInt8(number & 0xFF)]]) { result in
                    collected.add((try? result.get()) ?? 0)
                    if number == 499 { continuation.resume(returning: collected.all) }
                }
            }
        }
        #expect(order == Array(1...500))
        #expect(journal.syncCount < 500)
        await journal.close()
    }

    @Test(arguments: 1...40) func everyTornEndIsCut(missing: Int) async throws {
        try await write([[1], [2, 2], Array(repeating: 3, count: 20)])
        let bytes = try folder.bytes
        try folder.put(Array(bytes.dropLast(missing)))
        let (journal, contents) = try open()
        #expect(contents.lines.map(\.payload) == [[1], [2, 2]])
        #expect(contents.truncatedBytes == 44 - missing)
        #expect(try await journal.append([[9]]) == 3)
        await journal.close()
        let (again, after) = try open()
        #expect(after.lines.map(\.payload) == [[1], [2, 2], [9]] && after.truncatedBytes == 0)
        await again.close()
    }

    @Test func tornWriteOfSeveralRecordsIsCutAtTheFirstBadOne() async throws {
        let (journal, _) = try open()
        _ = try await journal.append([[1]])
        let kept = try folder.bytes.count
        _ = try await journal.append([[2], [3], [4]])
        await journal.close()
        // Pages of one unsynced write may reach the disk in any order.
        var bytes = try folder.bytes
        for index in kept..<(kept + 25) { bytes[index] = 0 }
        try folder.put(bytes)
        let (again, contents) = try open()
        #expect(contents.lines.map(\.payload) == [[1]])
        await again.close()
    }

    @Test func foreignFilesAreRefusedAndLeftAlone() throws {
        for content in [Array("hello, world, hello".utf8), Array("OTRJRNL2aaaaaaaaaaaaaaaaa".utf8)] {
            try folder.put(content)
            #expect(throws: JournalError.self) { try open() }
            #expect(try folder.bytes == content)
        }
    }

    @Test func firstStartThatDiedInItsHeaderStartsAgain() async throws {
        try await write([])
        let header = try folder.bytes
        for length in 0..<header.count {
            try folder.put(Array(header.prefix(length)))
            let (journal, contents) = try open()
            #expect(!contents.existed)
            await journal.close()
            #expect(try folder.bytes == header)
        }
    }

    @Test func rotationReplacesEverythingBefore() async throws {
        let (journal, _) = try open()
        for number in 1...5 { _ = try await journal.append([[UInt8(number)]]) }
        #expect(try await journal.rotate(snapshot: [99], sequence: 6) == 6)
        #expect(try await journal.append([[7]], firstSequence: 7) == 7)
        #expect(throws: JournalError.self) { try open() }
        await journal.close()
        let (again, contents) = try open()
        #expect(contents.lines == [JournalLine(sequence: 6, payload: [99]), JournalLine(sequence: 7, payload: [7])])
        #expect(contents.identity == Self.identity)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
        await again.close()
    }

    @Test func anotherCountStopsTheJournal() async throws {
        let (journal, _) = try open()
        _ = try await journal.append([[1]])
        await #expect(throws: JournalError.wrongSequence(expected: 5, next: 2)) {
            try await journal.append([[2]], firstSequence: 5)
        }
        await #expect(throws: JournalError.self) { try await journal.append([[3]]) }
        await journal.close()
        let (again, contents) = try open()
        #expect(contents.lines.count == 1)
        await again.close()
    }

    @Test func missingFolderIsNamed() {
        let path = folder.path + "/none/agent.journal"
        #expect(throws: JournalError.system(operation: "open", path: path + ".lock", errno: ENOENT)) {
            try Journal.open(path: path, identity: Self.identity)
        }
    }

    @Test func fullDiskIsTypedAndKeepsWhatWasAcknowledged() async throws {
        try Self.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder.path)
        defer { try? Self.run("umount", folder.path) }
        let (journal, _) = try open()
        var acknowledged: UInt64 = 0
        var failure: JournalError?
        while failure == nil {
            do {
                acknowledged = try await journal.append([Array(repeating: 7, count: 3000)])
            } catch {
                failure = error
            }
        }
        #expect(failure == .diskFull(path: folder.journal))
        await #expect(throws: JournalError.self) { try await journal.append([[1]]) }
        await journal.close()
        let (again, contents) = try open()
        #expect(contents.lines.last?.sequence == acknowledged && acknowledged > 5)
        await again.close()
    }

    private static func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(arguments)")
    }

    @Test func closedJournalRefuses() async throws {
        let (journal, _) = try open()
        await journal.close()
        await #expect(throws: JournalError.closed) { try await journal.append([[1]]) }
    }
}

/// Results in the order in which they came.
final class Collected: Sendable {
    private let values = Mutex<[UInt64]>([])
    func add(_ value: UInt64) { values.withLock { $0.append(value) } }
    var all: [UInt64] { values.withLock { $0 } }
}
