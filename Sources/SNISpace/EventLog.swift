import NetworkTypes

/// Events of the book as bytes: a header that names the format, then records of length, sequence number, event and
/// checksum, one after the other. Pure: who writes them where, and when they are safe there, is the store's to know.
public enum EventLog {
    private static let magic: [UInt8] = Array("OTREVNT\n".utf8)
    /// Rises when a reader of today could not read what is written, or would read something else.
    static let version: UInt32 = 1
    /// The first version that is still read.
    static let versionMin: UInt32 = 1

    /// What a log begins with.
    public static var header: [UInt8] {
        var writer = ByteWriter()
        writer.append(magic)
        writer.put(version)
        writer.put(xxHash64(writer.bytes[...]))
        return writer.bytes
    }
    /// Length, sequence number and checksum.
    private static let overhead = 20

    /// The record of one event.
    public static func record(_ event: BookEvent, sequence: UInt64) -> [UInt8] {
        var payload = ByteWriter()
        payload.put(event)
        var record = ByteWriter()
        record.put(UInt32(payload.bytes.count))
        record.put(sequence)
        record.append(payload.bytes)
        record.put(xxHash64(record.bytes[...]))
        return record.bytes
    }

    /// Where the records of a log begin.
    private static func start(of bytes: [UInt8]) throws(CodecError) -> Int {
        var reader = ByteReader(bytes[...], section: "header")
        guard try reader.take(magic.count).elementsEqual(magic) else { throw .foreign }
        let version: UInt32 = try reader.get()
        let found = xxHash64(bytes[..<reader.cursor])
        let expected: UInt64 = try reader.get()
        guard found == expected else { throw .damaged(section: "header", expected: expected, found: found) }
        guard version <= Self.version else { throw .newerVersion(found: version, supported: Self.version) }
        guard version >= versionMin else { throw .olderVersion(found: version, supported: Self.version) }
        return reader.cursor
    }

    /// Calls `body` with every event of a log, in order.
    ///
    /// - Parameter after: sequence number of the last event that is known already.
    /// - Returns: sequence number of the last event.
    /// - Throws: `foreign`, `newerVersion` or `olderVersion` for another format, `truncated` when the log ends inside a record, `damaged` where a record is not what was written, `gap`
    ///   where sequence numbers do not follow each other, `malformed` for what no book says.
    @discardableResult
    public static func replay(
        _ bytes: [UInt8], after: UInt64, _ body: (BookEvent) -> Void
    ) throws(CodecError) -> UInt64 {
        var last = after
        var cursor = try start(of: bytes)
        while cursor < bytes.count {
            do throws(CodecError) {
                let record = try record(of: bytes, at: cursor, after: last)
                body(record.event)
                last = record.sequence
                cursor = record.end
            } catch {
                // Named here, so that no text is made for the records that are in order.
                throw error.naming("record after \(last)")
            }
        }
        return last
    }

    private static func record(
        of bytes: [UInt8], at cursor: Int, after last: UInt64
    ) throws(CodecError) -> (event: BookEvent, sequence: UInt64, end: Int) {
        guard bytes.count - cursor >= overhead else { throw .truncated(at: cursor) }
        var head = ByteReader(bytes[cursor..<cursor + 12], section: "record")
        let count = Int(try head.get(UInt32.self))
        let sequence: UInt64 = try head.get()
        guard bytes.count - cursor - overhead >= count else { throw .truncated(at: cursor) }
        let end = cursor + 12 + count
        var tail = ByteReader(bytes[end..<end + 8], section: head.section)
        let expected: UInt64 = try tail.get()
        let found = xxHash64(bytes[cursor..<end])
        guard found == expected else {
            throw .damaged(section: head.section, expected: expected, found: found)
        }
        guard sequence == last &+ 1 else { throw .gap(after: last, found: sequence) }
        var reader = ByteReader(bytes[cursor + 12..<end], section: head.section)
        let event = try reader.event()
        try reader.finish()
        return (event, sequence, end + 8)
    }
}

extension ByteWriter {
    mutating func put(_ event: BookEvent) {
        switch event {
        case .chunkOpened(let index, let home):
            tag(1) {
                $0.put(UInt32(index)); $0.put(home)
            }
        case .reserved(let reservation): tag(2) { $0.put(reservation) }
        case .reservationExtended(let id, let lifetime):
            tag(3) {
                $0.put(id); $0.put(lifetime)
            }
        case .reservationEnded(let id, let reason):
            tag(4) {
                $0.put(id); $0.put(reason)
            }
        case .unreserved(let block, let application):
            tag(5) {
                $0.put(block); $0.put(application)
            }
        case .leased(let lease): tag(6) { $0.put(lease) }
        case .staged(let block): tag(7) { $0.put(block) }
        case .marked(let block, let epoch, let reason, let force):
            tag(8) {
                $0.put(block, epoch); $0.put(reason); $0.put(force)
            }
        case .markAborted(let block, let epoch): tag(9) { $0.put(block, epoch) }
        case .drained(let block, let epoch): tag(10) { $0.put(block, epoch) }
        case .fenced(let block, let epoch, let reason):
            tag(11) {
                $0.put(block, epoch); $0.put(reason)
            }
        case .removed(let block): tag(12) { $0.put(block) }
        case .freed(let block): tag(13) { $0.put(block) }
        case .subleased(let lease): tag(14) { $0.put(lease) }
        case .quotaSet(let application, let cap, let floor):
            tag(15) {
                $0.put(application); $0.put(UInt32(cap)); $0.put(UInt32(floor))
            }
        case .ranked(let application, let rank):
            tag(16) {
                $0.put(application); $0.put(rank.rawValue)
            }
        case .excluded(let range): tag(17) { $0.put(range) }
        case .included(let range): tag(18) { $0.put(range) }
        case .applicationForgotten(let application): tag(19) { $0.put(application) }
        case .chunkTempered(let index, let isHot):
            tag(20) {
                $0.put(UInt32(index))
                $0.put(isHot)
            }
        case .superseded(let block): tag(21) { $0.put(block) }
        }
    }

    private mutating func tag(_ tag: UInt8, _ body: (inout ByteWriter) -> Void) {
        put(tag)
        body(&self)
    }
}

extension ByteReader {
    mutating func event() throws(CodecError) -> BookEvent {
        let tag: UInt8 = try get()
        switch tag {
        case 1: return .chunkOpened(index: Int(try get(UInt32.self)), home: ApplicationID(try uuid()))
        case 2: return .reserved(try reservation())
        case 3: return .reservationExtended(ReservationID(try uuid()), lifetime: try duration())
        case 4: return .reservationEnded(ReservationID(try uuid()), reason: try text())
        case 5: return .unreserved(try block(), ApplicationID(try uuid()))
        case 6: return .leased(try lease())
        case 7: return .staged(try block())
        case 8: return .marked(try block(), epoch: try epoch(), reason: try text(), force: try flag())
        case 9: return .markAborted(try block(), epoch: try epoch())
        case 10: return .drained(try block(), epoch: try epoch())
        case 11: return .fenced(try block(), epoch: try epoch(), reason: try text())
        case 12: return .removed(try block())
        case 13: return .freed(try block())
        case 14: return .subleased(try lease())
        case 15:
            return .quotaSet(
                ApplicationID(try uuid()), cap: Int(try get(UInt32.self)), floor: Int(try get(UInt32.self)))
        case 16: return .ranked(ApplicationID(try uuid()), ClassRank(rawValue: try get()))
        case 17: return .excluded(try range())
        case 18: return .included(try range())
        case 19: return .applicationForgotten(ApplicationID(try uuid()))
        case 20: return .chunkTempered(index: Int(try get(UInt32.self)), isHot: try flag())
        case 21: return .superseded(try block())
        default: throw malformed("event \(tag) means nothing")
        }
    }
}
