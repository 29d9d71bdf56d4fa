import NetworkTypes

/// Bytes of a journal record: little numbers short (LEB128), lengths before contents.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []
    mutating func byte(_ value: UInt8) { bytes.append(value) }
    mutating func number(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
    mutating func number(_ value: Int) { number(UInt64(max(0, value))) }
    /// Signed, zigzag.
    mutating func signed(_ value: Int64) { number(UInt64(bitPattern: value << 1 ^ value >> 63)) }
    mutating func flag(_ value: Bool) { byte(value ? 1 : 0) }
    mutating func text(_ value: String) {
        number(value.utf8.count)
        bytes += value.utf8
    }
    mutating func fixed(_ value: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) { byte(UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }
    mutating func uuid(_ value: some TaggedUUID) {
        fixed(value.uuid.high)
        fixed(value.uuid.low)
    }
    mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
        flag(value != nil)
        if let value { write(&self, value) }
    }
    mutating func list<Value>(_ values: [Value], _ write: (inout ByteWriter, Value) -> Void) {
        number(values.count)
        for value in values { write(&self, value) }
    }
}

/// Reads what ``ByteWriter`` wrote; every length is checked against what is left.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var offset = 0
    init(_ bytes: [UInt8]) { self.bytes = bytes }
    var isAtEnd: Bool { offset == bytes.count }

    func fail(_ what: String) -> JournalRecordError { .malformed(offset: offset, expected: what) }

    mutating func byte() throws(JournalRecordError) -> UInt8 {
        guard offset < bytes.count else { throw fail("another byte") }
        defer { offset += 1 }
        return bytes[offset]
    }
    mutating func number() throws(JournalRecordError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            guard shift < 63 || next <= 1 else { throw fail("a number of 64 bits") }
            value |= UInt64(next & 0x7F) << shift
            if next & 0x80 == 0 { return value }
            shift += 7
            guard shift <= 63 else { throw fail("a number of 64 bits") }
        }
    }
    mutating func count() throws(JournalRecordError) -> Int {
        let value = try number()
        guard value <= UInt64(Int32.max) else { throw fail("a count") }
        return Int(value)
    }
    mutating func signed() throws(JournalRecordError) -> Int64 {
        let value = try number()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
    mutating func flag() throws(JournalRecordError) -> Bool {
        switch try byte() {
        case 0: false
        case 1: true
        default: throw fail("0 or 1")
        }
    }
    mutating func text() throws(JournalRecordError) -> String {
        let length = try count()
        guard length <= bytes.count - offset else { throw fail("\(length) bytes of text") }
        defer { offset += length }
        guard let text = String(validating: bytes[offset..<offset + length], as: UTF8.self) else {
            throw fail("UTF-8")
        }
        return text
    }
    mutating func fixed() throws(JournalRecordError) -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<8 { value = value << 8 | UInt64(try byte()) }
        return value
    }
    mutating func uuid<Value: TaggedUUID>(_ type: Value.Type = Value.self) throws(JournalRecordError) -> Value {
        Value(UUID128(high: try fixed(), low: try fixed()))
    }
    mutating func optional<Value>(
        _ read: (inout ByteReader) throws(JournalRecordError) -> Value
    ) throws(JournalRecordError) -> Value? {
        guard try flag() else { return nil }
        return try read(&self)
    }
    mutating func list<Value>(
        _ read: (inout ByteReader) throws(JournalRecordError) -> Value
    ) throws(JournalRecordError) -> [Value] {
        let length = try count()
        guard length <= bytes.count - offset else { throw fail("\(length) values") }
        var values: [Value] = []
        values.reserveCapacity(length)
        for _ in 0..<length { values.append(try read(&self)) }
        return values
    }
    /// The value, or an error that says what was expected.
    func need<Value>(_ value: Value?, _ what: String) throws(JournalRecordError) -> Value {
        guard let value else { throw fail(what) }
        return value
    }
}

/// Why the bytes of a journal record could not be read.
public enum JournalRecordError: Error, Hashable, Sendable {
    /// Written by a newer version: install that version again, or remove the state directory of a host without VMs.
    case unknownVersion(UInt8)
    case unknownKind(UInt8)
    case malformed(offset: Int, expected: String)
}
