public import NetworkTypes

/// Whose journal it is: the agent's installation and the machine that it was made on.
public struct JournalIdentity: Hashable, Sendable {
    public var incarnation: Incarnation
    /// Opaque.
    public var fingerprint: String
    public init(incarnation: Incarnation, fingerprint: String) {
        self.incarnation = incarnation
        self.fingerprint = fingerprint
    }
}

/// One record read back.
public struct JournalLine: Hashable, Sendable {
    public var sequence: UInt64
    public var payload: [UInt8]
    public init(sequence: UInt64, payload: [UInt8]) {
        self.sequence = sequence
        self.payload = payload
    }
}

/// The bytes of a journal file. All numbers little-endian.
///
/// Header: `OTRJRNL1`, length of the rest (4), CRC-32C of the rest (4), incarnation (16), fingerprint (UTF-8).
///
/// Record: payload length (4), CRC-32C of everything after it and of the length (4), sequence (8), sequence of the first
/// record of the same write (8), payload. One write is synced before the next begins, so a bad record with a good one of
/// a *later* write behind it is damage; otherwise it is the torn end. While the machine keeps its power, what was written is
/// in the file in its order: then a torn end is the beginning of a record and nothing else.
enum JournalFormat {
    static let magic = Array("OTRJRNL1".utf8)
    static let headerFixed = 16
    static let recordFixed = 24

    static func header(_ identity: JournalIdentity) -> [UInt8] {
        var rest: [UInt8] = []
        append(identity.incarnation.uuid.high, to: &rest)
        append(identity.incarnation.uuid.low, to: &rest)
        rest += identity.fingerprint.utf8
        var bytes = magic
        append(UInt32(rest.count), to: &bytes)
        append(CRC32C.of(rest), to: &bytes)
        return bytes + rest
    }

    static func record(_ payload: [UInt8], sequence: UInt64, writeFirst: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(recordFixed + payload.count)
        append(UInt32(payload.count), to: &bytes)
        append(UInt32(0), to: &bytes)
        append(sequence, to: &bytes)
        append(writeFirst, to: &bytes)
        bytes += payload
        let crc = crc(of: bytes[...], length: UInt32(payload.count))
        for index in 0..<4 { bytes[4 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(8 * index)) }
        return bytes
    }

    private static func crc(of record: ArraySlice<UInt8>, length: UInt32) -> UInt32 {
        var crc = CRC32C()
        crc.update((0..<4).map { UInt8(truncatingIfNeeded: length >> UInt32(8 * $0)) })
        crc.update(record.dropFirst(8))
        return crc.value
    }

    static func append(_ value: some FixedWidthInteger & UnsignedInteger, to bytes: inout [UInt8]) {
        for index in 0..<(value.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }

    static func read<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type, _ bytes: [UInt8], at offset: Int
    ) -> Value? {
        let size = Value.bitWidth / 8
        guard offset >= 0, offset <= bytes.count - size else { return nil }
        return (0..<size).reduce(0) { $0 | Value(bytes[offset + $1]) << (8 * $1) }
    }

    struct Record {
        var line: JournalLine
        var writeFirst: UInt64
        var end: Int
    }

    /// The record at an offset, or nil when nothing valid is there.
    static func record(in bytes: [UInt8], at offset: Int) -> Record? {
        guard let length = read(UInt32.self, bytes, at: offset), Int(length) <= Journal.payloadMax,
            offset + recordFixed + Int(length) <= bytes.count, let crc = read(UInt32.self, bytes, at: offset + 4),
            let sequence = read(UInt64.self, bytes, at: offset + 8),
            let writeFirst = read(UInt64.self, bytes, at: offset + 16), sequence > 0, writeFirst <= sequence
        else { return nil }
        let end = offset + recordFixed + Int(length)
        guard self.crc(of: bytes[offset..<end], length: length) == crc else { return nil }
        let payload = Array(bytes[(offset + recordFixed)..<end])
        return Record(line: JournalLine(sequence: sequence, payload: payload), writeFirst: writeFirst, end: end)
    }

    /// Whose it is and where its records begin; nil when its header is damaged. A file that is none, or of a newer version,
    /// is never taken for a damaged one: nobody but who wrote it may put it aside.
    static func identity(in bytes: [UInt8], path: String) throws(JournalError) -> (JournalIdentity, Int)? {
        guard bytes.count >= magic.count else {
            throw .unknownFormat(path: path, reason: "it does not start with OTRJRNL1")
        }
        let start = Array(bytes[..<magic.count])
        guard start == magic else {
            if start.dropLast() == magic.dropLast() {
                let version = String(decoding: start.suffix(1), as: UTF8.self)
                throw .unknownFormat(path: path, reason: "it says version '\(version)' of itself, known is 1")
            }
            guard firstRecord(in: bytes) else {
                throw .unknownFormat(path: path, reason: "it does not start with OTRJRNL1")
            }
            return nil
        }
        guard let length = read(UInt32.self, bytes, at: 8), let crc = read(UInt32.self, bytes, at: 12),
            length >= 16, headerFixed + Int(length) <= bytes.count
        else { return nil }
        let end = headerFixed + Int(length)
        guard CRC32C.of(bytes[headerFixed..<end]) == crc, let high = read(UInt64.self, bytes, at: headerFixed),
            let low = read(UInt64.self, bytes, at: headerFixed + 8),
            let fingerprint = String(validating: bytes[(headerFixed + 16)..<end], as: UTF8.self)
        else { return nil }
        let incarnation = Incarnation(UUID128(high: high, low: low))
        return (JournalIdentity(incarnation: incarnation, fingerprint: fingerprint), end)
    }

    /// Whether a record of ours stands anywhere.
    private static func firstRecord(in bytes: [UInt8]) -> Bool {
        bytes.indices.contains { offset in record(in: bytes, at: offset) != nil }
    }

    /// What stands behind the last good record.
    enum Ending: Hashable {
        case whole
        /// Of the last write, which was never acknowledged.
        case torn
        case damaged(reason: String)
    }

    struct Records {
        var lines: [JournalLine] = []
        /// Where the good part ends.
        var end: Int
        var ending = Ending.whole
    }

    /// All records from `start` up to the first that is not as it was written.
    ///
    /// - Parameter ordered: whether what was written stands in the file in its order, because the machine has kept its
    ///   power since: then a torn write is the beginning of one, and anything else is damage.
    static func records(in bytes: [UInt8], from start: Int, ordered: ([JournalLine]) -> Bool) -> Records {
        var found = Records(end: start)
        var writeFirst: UInt64 = 0
        while let record = record(in: bytes, at: found.end) {
            if let last = found.lines.last, record.line.sequence != last.sequence + 1 {
                found.ending = .damaged(reason: "record \(record.line.sequence) follows \(last.sequence)")
                return found
            }
            found.lines.append(record.line)
            writeFirst = record.writeFirst
            found.end = record.end
        }
        guard found.end < bytes.count else { return found }
        let next = (found.lines.last?.sequence ?? 0) + 1
        let isOrdered = ordered(found.lines)
        if let later = laterRecord(in: bytes, after: found.end, next: next, ofLaterWrite: !isOrdered) {
            found.ending = .damaged(reason: "its checksum is wrong, but record \(later) behind it is intact")
        } else if isOrdered, !isBeginning(bytes, at: found.end, first: found.lines.isEmpty, next, writeFirst) {
            found.ending = .damaged(reason: "its checksum is wrong, and the machine has kept its power since")
        } else {
            found.ending = .torn
        }
        return found
    }

    /// Sequence of an intact record behind a bad one, of a later write than the bad one could belong to where so asked.
    private static func laterRecord(
        in bytes: [UInt8], after bad: Int, next: UInt64, ofLaterWrite: Bool
    ) -> UInt64? {
        // No more than fit: most of what looks like a record is told from one without its checksum.
        let (most, overflows) = next.addingReportingOverflow(UInt64(bytes.count))
        guard !overflows else { return nil }
        var offset = bad + 1
        while offset <= bytes.count - recordFixed {
            defer { offset += 1 }
            // Without a record before it nobody knows where the count stood.
            if next > 1, let sequence = read(UInt64.self, bytes, at: offset + 8), sequence > most { continue }
            if let record = record(in: bytes, at: offset),
                ofLaterWrite ? record.writeFirst > next : record.line.sequence > next
            {
                return record.line.sequence
            }
        }
        return nil
    }

    /// Whether these bytes are how a record begins that did not get into the file whole.
    private static func isBeginning(
        _ bytes: [UInt8], at offset: Int, first: Bool, _ next: UInt64, _ writeFirst: UInt64
    ) -> Bool {
        let left = bytes.count - offset
        if let length = read(UInt32.self, bytes, at: offset) {
            guard Int(length) <= Journal.payloadMax, Int(length) + recordFixed > left else { return false }
        }
        if let sequence = read(UInt64.self, bytes, at: offset + 8), !first, sequence != next { return false }
        if let of = read(UInt64.self, bytes, at: offset + 16), !first, of != next, of != writeFirst { return false }
        // A whole one whose length alone is wrong.
        guard left >= recordFixed, let crc = read(UInt32.self, bytes, at: offset + 4) else { return true }
        return self.crc(of: bytes[offset...], length: UInt32(left - recordFixed)) != crc
    }
}
