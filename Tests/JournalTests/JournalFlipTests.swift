import Foundation
import Journal
import NetworkTypes
import Testing

/// Files in which something is not as it was written.
@Suite struct JournalFlipTests {
    let folder: Folder
    init() throws { folder = try Folder() }

    private static let fresh = JournalIdentity(incarnation: Incarnation(UUID128(high: 9, low: 9)), fingerprint: "ü/1")

    /// Writes of one, three and one records; the last alone in its own.
    private func sound() async throws -> (bytes: [UInt8], lines: [JournalLine]) {
        let (journal, _) = try Journal.open(path: folder.journal, identity: JournalTests.identity)
        _ = try await journal.append([[1, 1, 1]])
        _ = try await journal.append([[2, 2], [], Array(repeating: 3, count: 30)])
        _ = try await journal.append([[4, 4, 4, 4]])
        await journal.close()
        return (try folder.bytes, try #require(try Journal.read(path: folder.journal)).lines)
    }

    private func reopen(keptPower: Bool) throws -> (journal: Journal, contents: Journal.Contents) {
        try Journal.open(path: folder.journal, identity: Self.fresh) { _ in keptPower }
    }

    /// Where the records begin, the last one ends the list.
    private func starts(_ lines: [JournalLine], of bytes: [UInt8]) -> [Int] {
        var at = bytes.count - lines.reduce(0) { $0 + 24 + $1.payload.count }
        return lines.map { line in
            defer { at += 24 + line.payload.count }
            return at
        } + [bytes.count]
    }

    /// Every bit of every byte: what is read is what was written before it and nothing else; it is said; the file is kept as
    /// it was; and what replaces it is a whole journal.
    @Test(arguments: [true, false]) func everyFlippedBitIsSaidAndNothingIsGuessed(keptPower: Bool) async throws {
        let (bytes, lines) = try await sound()
        let starts = starts(lines, of: bytes)
        for bit in 0..<(bytes.count * 8) {
            // The version's own digit says another version, not damage: see below.
            guard bit / 8 != 7 else { continue }
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            try folder.put(damaged)
            let good = bit / 8 < starts[0] ? 0 : starts.count { $0 <= bit / 8 } - 1
            let (journal, contents) = try reopen(keptPower: keptPower)
            #expect(contents.lines == Array(lines.prefix(good)), "bit \(bit)")
            guard let damage = contents.damage else {
                // A write whose end is not whole may have been torn, but only by a loss of power.
                #expect(!keptPower && bit / 8 >= starts[4] && contents.truncatedBytes > 0, "bit \(bit)")
                await journal.close()
                continue
            }
            #expect(keptPower || bit / 8 < starts[4], "bit \(bit)")
            #expect(damage.offset == (bit / 8 < starts[0] ? 0 : starts[good]), "bit \(bit)")
            #expect(damage.lostBytes == bytes.count - damage.offset)
            #expect(contents.identity == (bit / 8 < starts[0] ? Self.fresh : JournalTests.identity))
            let aside = try #require(damage.setAside)
            #expect(Array(try Data(contentsOf: URL(filePath: aside))) == damaged, "bit \(bit)")
            await #expect(throws: JournalError.damaged(damage)) { try await journal.append([[9]]) }
            #expect(try folder.bytes == damaged)
            #expect(try await journal.rotate(snapshot: [7]) == UInt64(good) + 1)
            #expect(try await journal.append([[8]]) == UInt64(good) + 2)
            await journal.close()
            let again = try #require(try Journal.read(path: folder.journal))
            #expect(again.damage == nil && again.lines.map(\.payload) == [[7], [8]])
            #expect(again.identity == contents.identity)
            try FileManager.default.removeItem(atPath: aside)
        }
    }

    /// A process that was killed while it wrote leaves the beginning of a write, whether or not the machine kept its power.
    @Test(arguments: [true, false]) func everyBeginningOfAWriteIsCut(keptPower: Bool) async throws {
        let (bytes, lines) = try await sound()
        let starts = starts(lines, of: bytes)
        for size in starts[0]..<bytes.count {
            try folder.put(Array(bytes.prefix(size)))
            let (journal, contents) = try reopen(keptPower: keptPower)
            let good = starts.count { $0 <= size } - 1
            #expect(contents.damage == nil, "\(size) bytes: \(contents.damage as Any)")
            #expect(contents.lines == Array(lines.prefix(good)) && contents.truncatedBytes == size - starts[good])
            await journal.close()
        }
    }

    /// Records that are whole and of another place in the file.
    @Test func aMissingRecordIsDamage() async throws {
        let (bytes, lines) = try await sound()
        let starts = starts(lines, of: bytes)
        try folder.put(Array(bytes[..<starts[1]] + bytes[starts[2]...]))
        let (journal, contents) = try reopen(keptPower: false)
        #expect(contents.lines.count == 1 && contents.damage?.offset == starts[1])
        #expect(contents.damage?.reason == "record 3 follows 1")
        await journal.close()
    }

    /// Dying between the second name and the new file leaves both names; the next start finds that out.
    @Test func aSecondStartOnADamagedFileKeepsItOnce() async throws {
        var (bytes, _) = try await sound()
        bytes[40] ^= 1
        try folder.put(bytes)
        for _ in 0..<2 {
            let (journal, contents) = try reopen(keptPower: true)
            #expect(contents.damage?.setAside == folder.journal + ".damaged-1")
            await journal.close()
        }
        let (journal, _) = try reopen(keptPower: true)
        _ = try await journal.rotate(snapshot: [1])
        await journal.close()
        // Damaged once more: another file, another name.
        var later = try folder.bytes
        later[40] ^= 1
        try folder.put(later)
        let (third, contents) = try reopen(keptPower: true)
        #expect(contents.damage?.setAside == folder.journal + ".damaged-2")
        await third.close()
        #expect(Array(try Data(contentsOf: URL(filePath: folder.journal + ".damaged-1"))) == bytes)
    }

    /// Never taken for damage: whoever wrote it knows what it says.
    @Test func aNewerVersionIsLeftAlone() async throws {
        var (bytes, _) = try await sound()
        bytes[7] = UInt8(ascii: "2")
        try folder.put(bytes)
        let reason = "it says version '2' of itself, known is 1"
        #expect(throws: JournalError.unknownFormat(path: folder.journal, reason: reason)) {
            try reopen(keptPower: true)
        }
        #expect(try folder.bytes == bytes)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    }

    /// Looking changes nothing.
    @Test func aReaderSaysTheSameAndLeavesTheFile() async throws {
        var (bytes, _) = try await sound()
        bytes[40] ^= 1
        try folder.put(bytes)
        let contents = try #require(try Journal.read(path: folder.journal))
        #expect(contents.damage != nil && contents.damage?.setAside == nil)
        #expect(try folder.bytes == bytes)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    }
}
