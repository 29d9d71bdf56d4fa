import NetworkTypes

/// Why stored bytes are refused.
public enum CodecError: Error, Hashable, Sendable {
    /// The bytes do not begin as this format does.
    case foreign
    /// Written by a newer program.
    case newerVersion(found: UInt32, supported: UInt32)
    /// Written by a program from before the first release.
    case olderVersion(found: UInt32, supported: UInt32)
    /// The bytes end inside something; the place in bytes.
    case truncated(at: Int)
    /// A section or record is not what was written.
    case damaged(section: String, expected: UInt64, found: UInt64)
    /// The checksum is right and the content is not possible.
    case malformed(section: String, why: String)
    /// Records between the two sequence numbers are missing, or come twice.
    case gap(after: UInt64, found: UInt64)
    /// Bytes follow the end.
    case trailing(count: Int)
}

extension CodecError {
    /// The same about a section that is known better by another name.
    func naming(_ section: String) -> CodecError {
        switch self {
        case .damaged(_, let expected, let found): .damaged(section: section, expected: expected, found: found)
        case .malformed(_, let why): .malformed(section: section, why: why)
        case .foreign, .newerVersion, .olderVersion, .truncated, .gap, .trailing: self
        }
    }
}

extension CodecError: CustomStringConvertible {
    /// What is wrong, and what to do.
    public var description: String {
        switch self {
        case .foreign: "these bytes are of another program; name the right file"
        case .newerVersion(let found, let supported):
            "written in version \(found), this program reads version \(supported); run the newer program that wrote it"
        case .olderVersion(let found, let supported):
            "written in version \(found) by an unreleased program, this program reads version \(supported); run the"
                + " program that wrote it"
        case .truncated(let place): "the bytes end at \(place), inside something; restore a backup"
        case .damaged(let section, let expected, let found):
            "section '\(section)' has checksum \(found), not \(expected); restore a backup"
        case .malformed(let section, let why): "section '\(section)' is impossible: \(why); restore a backup"
        case .gap(let after, let found): "record \(found) follows record \(after); restore a backup"
        case .trailing(let count): "\(count) bytes follow the end; restore a backup"
        }
    }
}

/// Little-endian, lengths before texts and lists.
struct ByteWriter: Sendable {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger) {
        var rest = UInt64(truncatingIfNeeded: value)
        for _ in 0..<(type(of: value).bitWidth / 8) {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
    mutating func put(_ value: Bool) { bytes.append(value ? 1 : 0) }
    mutating func put(_ text: String) {
        put(UInt32(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
    mutating func put(_ uuid: UUID128) {
        put(uuid.high)
        put(uuid.low)
    }
    mutating func put(_ value: some TaggedUUID) { put(value.uuid) }
    mutating func put(_ block: SNIBlock) { put(block.first.rawValue | UInt32(block.order) << 24) }
    mutating func put(_ range: SNIRange) {
        put(range.first.rawValue)
        put(UInt32(range.count))
    }
    mutating func put(_ duration: Duration) {
        put(duration.components.seconds)
        put(duration.components.attoseconds)
    }
    mutating func put<Element>(_ list: [Element], _ body: (inout ByteWriter, Element) -> Void) {
        put(UInt32(list.count))
        for element in list { body(&self, element) }
    }
    mutating func append(_ other: [UInt8]) { bytes.append(contentsOf: other) }
}

/// The inverse of ``ByteWriter``. Never reads beyond its bytes, and never believes a length that they cannot hold.
struct ByteReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private(set) var cursor: Int
    let section: String

    init(_ bytes: ArraySlice<UInt8>, section: String) {
        self.bytes = bytes
        self.section = section
        cursor = bytes.startIndex
    }

    var left: Int { bytes.endIndex - cursor }

    func malformed(_ why: String) -> CodecError { .malformed(section: section, why: why) }

    func finish() throws(CodecError) {
        guard left == 0 else { throw malformed("\(left) bytes are left over") }
    }

    mutating func take(_ count: Int) throws(CodecError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= left else { throw .truncated(at: cursor) }
        defer { cursor += count }
        return bytes[cursor..<cursor + count]
    }

    mutating func get<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(CodecError) -> Number {
        let count = Number.bitWidth / 8
        guard count <= left else { throw .truncated(at: cursor) }
        var value: UInt64 = 0
        for place in 0..<count { value |= UInt64(bytes[cursor + place]) << UInt64(8 * place) }
        cursor += count
        return Number(truncatingIfNeeded: value)
    }

    mutating func flag() throws(CodecError) -> Bool {
        let value: UInt8 = try get()
        guard value <= 1 else { throw malformed("\(value) is neither yes nor no") }
        return value == 1
    }

    mutating func text() throws(CodecError) -> String {
        let count: UInt32 = try get()
        guard count > 0 else { return "" }
        let utf8 = try take(Int(count))
        guard let text = String(validating: utf8, as: UTF8.self) else { throw malformed("a text is not UTF-8") }
        return text
    }

    mutating func uuid() throws(CodecError) -> UUID128 { UUID128(high: try get(), low: try get()) }

    mutating func host() throws(CodecError) -> HostID {
        let name = try text()
        guard let host = HostID(name) else { throw malformed("'\(name)' is no host") }
        return host
    }

    mutating func block() throws(CodecError) -> SNIBlock {
        let word: UInt32 = try get()
        let order = word >> 24
        guard order <= 24, let first = SessionNetworkID(word & 0xFF_FFFF),
            let block = SNIBlock(first: first, size: 1 << Int(order))
        else { throw malformed("\(word & 0xFF_FFFF) and order \(order) are no aligned block") }
        return block
    }

    mutating func range() throws(CodecError) -> SNIRange {
        let first: UInt32 = try get()
        let count: UInt32 = try get()
        guard let sni = SessionNetworkID(first), let range = SNIRange(first: sni, count: Int(count)) else {
            throw malformed("\(first)+\(count) leaves the identifier space")
        }
        return range
    }

    mutating func duration() throws(CodecError) -> Duration {
        Duration(secondsComponent: try get(), attosecondsComponent: try get())
    }

    mutating func epoch() throws(CodecError) -> Epoch { Epoch(try get()) }

    /// - Parameter least: bytes that an element has at least.
    mutating func list<Element>(
        least: Int, _ body: (inout ByteReader) throws(CodecError) -> Element
    ) throws(CodecError) -> [Element] {
        let count: UInt32 = try get()
        guard Int(count) * least <= left else { throw malformed("a list of \(count) does not fit") }
        var list: [Element] = []
        list.reserveCapacity(Int(count))
        for _ in 0..<count { list.append(try body(&self)) }
        return list
    }
}
