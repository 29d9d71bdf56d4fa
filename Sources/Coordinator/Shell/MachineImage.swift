import CoordinatorCore
import Foundation
import NetworkTypes

/// The bytes of a snapshot in the store: a line that says what they are; the length of the snapshot's JSON and the JSON;
/// then what was learnt of each application, as bytes: its id, what it is, its length, and itself with runs of zeros packed.
/// Numbers are little-endian.
enum MachineImage {
    /// Rises when a reader of today could not read what is written, or would read something else.
    static let version = 4
    /// Read as well, beside version 3, which has no prior: everything is in its JSON, what was learnt in hexadecimal digits.
    static let versionOfText = 2
    private static let name = "outrider-image"
    /// More than any application's state takes, by far.
    private static let attachmentMax = 1 << 20

    static func encode(_ snapshot: CoordinatorSnapshot) throws -> [UInt8] {
        let json = try JSONEncoder().encode(snapshot)
        var image = Array("\(name) \(version)\n".utf8)
        append(UInt64(json.count), to: &image)
        image += json
        for attachment in snapshot.attachments {
            let packed = ZeroRuns.pack(attachment.bytes)
            append(attachment.application.uuid.high, to: &image)
            append(attachment.application.uuid.low, to: &image)
            image.append(attachment.kind.rawValue)
            append(UInt32(packed.count), to: &image)
            image += packed
        }
        return image
    }

    static func decode(_ image: [UInt8]) throws -> CoordinatorSnapshot {
        guard let end = image.prefix(64).firstIndex(of: UInt8(ascii: "\n")),
            let line = String(validating: image[..<end], as: UTF8.self), line.hasPrefix("\(name) "),
            let found = Int(line.dropFirst(name.count + 1))
        else { throw ImageError.olderVersion(found: nil, supported: version) }
        guard found <= version else { throw ImageError.newerVersion(found: found, supported: version) }
        guard found >= versionOfText else { throw ImageError.olderVersion(found: found, supported: version) }
        var rest = image[(end + 1)...]
        guard found > versionOfText else { return try snapshot(rest) }
        guard let length = take(UInt64.self, from: &rest), length <= rest.count else {
            throw ImageError.contradictory("it is shorter than it says")
        }
        let json = rest.prefix(Int(length))
        rest = rest.dropFirst(Int(length))
        var result = try snapshot(json)
        while !rest.isEmpty { result.attachments.append(try attachment(&rest)) }
        return result
    }

    private static func snapshot(_ json: ArraySlice<UInt8>) throws -> CoordinatorSnapshot {
        do {
            return try JSONDecoder().decode(CoordinatorSnapshot.self, from: Data(json))
        } catch {
            throw ImageError.contradictory("\(error)")
        }
    }

    private static func attachment(_ rest: inout ArraySlice<UInt8>) throws -> CoordinatorSnapshot.Attachment {
        guard let high = take(UInt64.self, from: &rest), let low = take(UInt64.self, from: &rest),
            let byte = rest.popFirst(), let kind = CoordinatorSnapshot.Attachment.Kind(rawValue: byte),
            let length = take(UInt32.self, from: &rest), length <= rest.count,
            let bytes = ZeroRuns.unpack(rest.prefix(Int(length)), countMax: attachmentMax)
        else { throw ImageError.contradictory("what was learnt of an application is cut off, or of no known kind") }
        rest = rest.dropFirst(Int(length))
        return .init(application: ApplicationID(UUID128(high: high, low: low)), kind: kind, bytes: bytes)
    }

    private static func append<Number: FixedWidthInteger>(_ value: Number, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Number(shift)))
        }
    }

    private static func take<Number: FixedWidthInteger>(_ type: Number.Type, from bytes: inout ArraySlice<UInt8>)
        -> Number?
    {
        let size = Number.bitWidth / 8
        guard bytes.count >= size else { return nil }
        var value: Number = 0
        for (place, byte) in bytes.prefix(size).enumerated() {
            value |= Number(truncatingIfNeeded: byte) << Number(8 * place)
        }
        bytes = bytes.dropFirst(size)
        return value
    }
}
