import AgentCore
import NetworkTypes

@testable import Journal

/// The agent's file. The first byte of an input chooses: bytes as found, a sound journal that is then damaged, or one record.
enum JournalFiles {
    static func run(_ input: [UInt8]) throws {
        var reader = InputReader(input)
        switch reader.byte() {
        case 0: try found(reader.remainder())
        case 1: try torn(&reader)
        case 2: try flipped(&reader)
        case 3: try record(reader.remainder())
        default: return
        }
    }

    /// Nil when the journal refuses the bytes.
    private static func read(
        _ bytes: [UInt8], ordered: Bool = false, damaged: Bool = false
    ) -> (lines: [JournalLine], end: Int)? {
        guard let (_, start) = try? JournalFormat.identity(in: bytes, path: "journal") else { return nil }
        let found = JournalFormat.records(in: bytes, from: start) { _ in ordered }
        if case .damaged = found.ending, !damaged { return nil }
        return (found.lines, found.end)
    }

    private static func found(_ bytes: [UInt8]) throws {
        for ordered in [false, true] { try found(bytes, ordered: ordered) }
    }

    private static func found(_ bytes: [UInt8], ordered: Bool) throws {
        guard let (lines, end) = read(bytes, ordered: ordered, damaged: true) else { return }
        // What is cut off as torn stays cut off: the rest is read the same again.
        guard let again = read(Array(bytes[..<end]), ordered: ordered), again.lines == lines, again.end == end else {
            throw BrokenPromise("\(lines.count) records were read, and other ones after cutting at \(end)")
        }
        for (line, next) in zip(lines, lines.dropFirst()) where next.sequence != line.sequence + 1 {
            throw BrokenPromise("record \(next.sequence) behind \(line.sequence)")
        }
    }

    /// A journal as the writer leaves it: writes of one to four records each, with the end of every record.
    private static func sound(_ reader: inout InputReader) -> (bytes: [UInt8], ends: [Int], starts: [Int]) {
        let identity = JournalIdentity(incarnation: Incarnation(UUID128(high: 1, low: 2)), fingerprint: "machine")
        var bytes = JournalFormat.header(identity)
        var (starts, ends): ([Int], [Int]) = ([], [])
        var (sequence, state): (UInt64, UInt64) = (1, 88)
        for _ in 0..<(reader.byte() % 8) {
            let first = sequence
            for _ in 0...(reader.byte() % 4) {
                // Content of its own: what would itself be a journal is nobody's record.
                let payload = (0..<reader.byte()).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return UInt8(truncatingIfNeeded: state >> 33)
                }
                starts.append(bytes.count)
                bytes += JournalFormat.record(payload, sequence: sequence, writeFirst: first)
                ends.append(bytes.count)
                sequence += 1
            }
        }
        return (bytes, ends, starts)
    }

    /// Cut anywhere behind the header: every record before the cut, and nothing else.
    private static func torn(_ reader: inout InputReader) throws {
        let (bytes, ends, starts) = sound(&reader)
        let header = starts.first ?? bytes.count
        let cut = header + reader.number() % (bytes.count - header + 1)
        let whole = ends.count { $0 <= cut }
        guard let (lines, end) = read(Array(bytes[..<cut]), ordered: reader.byte() % 2 == 0) else {
            throw BrokenPromise("a journal cut at \(cut) is refused")
        }
        guard lines.count == whole, end == (whole == 0 ? header : ends[whole - 1]) else {
            throw BrokenPromise("\(lines.count) records of \(whole) before the cut at \(cut)")
        }
    }

    /// One to three bits flipped: all records before the first of them or a refusal, never others. While the machine keeps
    /// its power, a single one in a record never goes unnoticed.
    private static func flipped(_ reader: inout InputReader) throws {
        let (bytes, ends, starts) = sound(&reader)
        guard let (original, _) = read(bytes) else { throw BrokenPromise("a sound journal is refused") }
        var damaged = bytes
        for _ in 0...(reader.byte() % 3) {
            let bit = (reader.number() | Int(reader.byte()) << 16) % (bytes.count * 8)
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        let first = zip(bytes, damaged).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? bytes.count
        let flips = zip(bytes, damaged).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
        if flips == 1, let start = starts.first, first >= start, read(damaged, ordered: true) != nil {
            throw BrokenPromise("damage at byte \(first) was taken for a torn write")
        }
        guard let (lines, _) = read(damaged, damaged: true) else { return }
        guard lines.elementsEqual(original.prefix(lines.count)) else {
            throw BrokenPromise("damage at byte \(first) was read as a record")
        }
        let whole = ends.count { $0 <= first }
        guard lines.count == whole else {
            throw BrokenPromise("\(lines.count) records, \(whole) stand before the damage at byte \(first)")
        }
        // Cutting is for the end of the last write only: what is behind it must have been lost with it.
        let rest = original.dropFirst(lines.count)
        let end = whole == 0 ? bytes.count - tail(rest, of: bytes) : ends[whole - 1]
        guard rest.isEmpty || read(damaged, damaged: true)?.end == end else {
            throw BrokenPromise("the cut is not behind the last good record")
        }
    }

    private static func tail(_ lines: ArraySlice<JournalLine>, of bytes: [UInt8]) -> Int {
        lines.reduce(0) { $0 + JournalFormat.recordFixed + $1.payload.count }
    }

    /// What a record says, or an error; what is read is written again as it was.
    private static func record(_ payload: [UInt8]) throws {
        guard let record = try? JournalRecord(decoding: payload) else { return }
        let encoded = record.encoded()
        guard let again = try? JournalRecord(decoding: encoded), again.encoded() == encoded else {
            throw BrokenPromise("a record is written otherwise than it was read: \(record)")
        }
    }
}
