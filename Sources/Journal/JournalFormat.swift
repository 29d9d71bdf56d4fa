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
/// a *later* write behind it is damage; otherwise it is the torn end.
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

    static func identity(in bytes: [UInt8], path: String) throws(JournalError) -> (JournalIdentity, Int) {
        guard bytes.count >= headerFixed, Array(bytes[0..<8]) == magic else {
            throw .unknownFormat(path: path, reason: "it does not start with OTRJRNL1")
        }
        guard let length = read(UInt32.self, bytes, at: 8), let crc = read(UInt32.self, bytes, at: 12),
            length >= 16, headerFixed + Int(length) <= bytes.count
        else { throw .unknownFormat(path: path, reason: "its header is cut") }
        let end = headerFixed + Int(length)
        guard CRC32C.of(bytes[headerFixed..<end]) == crc, let high = read(UInt64.self, bytes, at: headerFixed),
            let low = read(UInt64.self, bytes, at: headerFixed + 8),
            let fingerprint = String(validating: bytes[(headerFixed + 16)..<end], as: UTF8.self)
        else { throw .damaged(path: path, offset: headerFixed, reason: "the header's checksum is wrong") }
        let incarnation = Incarnation(UUID128(high: high, low: low))
        return (JournalIdentity(incarnation: incarnation, fingerprint: fingerprint), end)
    }

    /// All records from `start`, and the offset where the good part ends.
    static func records(
        in bytes: [UInt8], from start: Int, path: String
    ) throws(JournalError) -> (lines: [JournalLine], end: Int) {
        var lines: [JournalLine] = []
        var offset = start
        while let record = record(in: bytes, at: offset) {
            if let last = lines.last, record.line.sequence != last.sequence + 1 {
                let reason = "record \(record.line.sequence) follows \(last.sequence)"
                throw .damaged(path: path, offset: offset, reason: reason)
            }
            lines.append(record.line)
            offset = record.end
        }
        let next = (lines.last?.sequence ?? 0) + 1
        if let later = laterWrite(in: bytes, after: offset, next: next) {
            let reason = "its checksum is wrong, but record \(later) behind it is intact"
            throw .damaged(path: path, offset: offset, reason: reason)
        }
        return (lines, offset)
    }

    /// Sequence of an intact record behind a bad one that belongs to a later write than the bad one could.
    private static func laterWrite(in bytes: [UInt8], after bad: Int, next: UInt64) -> UInt64? {
        var offset = bad + 1
        while offset <= bytes.count - recordFixed {
            if let record = record(in: bytes, at: offset), record.writeFirst > next { return record.line.sequence }
            offset += 1
        }
        return nil
    }
}
