/// A session network identifier: the 24-bit number that names one VM interface on the wire.
///
/// It is the host part of the VM's overlay address (``OverlayPlan``), and the first identifier of a block is the VXLAN
/// network identifier (VNI, RFC 7348 section 5) that the block's traffic carries. The kernel does not check that a VNI
/// fits 24 bits, so this type does.
public struct SessionNetworkID: Hashable, Comparable, Sendable, Codable {
    /// The number, `0 ... 0xFF_FFFF`.
    public let rawValue: UInt32

    /// The largest identifier.
    public static let max = SessionNetworkID(unchecked: 0xFF_FFFF)

    /// Number of identifiers in the whole space: 2^24.
    public static let spaceSize = 1 << 24

    /// Nil when `rawValue` does not fit 24 bits.
    public init?(_ rawValue: UInt32) {
        guard rawValue <= 0xFF_FFFF else { return nil }
        self.rawValue = rawValue
    }

    /// For values that arithmetic keeps inside 24 bits; anything else is a programming error.
    public init(unchecked rawValue: UInt32) {
        precondition(rawValue <= 0xFF_FFFF, "SNI \(rawValue) does not fit 24 bits")
        self.rawValue = rawValue
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let raw = try container.decode(UInt32.self)
        guard let value = SessionNetworkID(raw) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "SNI \(raw) does not fit 24 bits")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    /// Six hexadecimal digits, as used in port names.
    public var hex: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 6 - digits.count) + digits
    }
}

extension SessionNetworkID: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

extension SessionNetworkID: LosslessStringConvertible {
    /// Accepts decimal (`4122`) and hexadecimal with a prefix (`0x00101a`).
    public init?(_ description: String) {
        let number: UInt32?
        if description.hasPrefix("0x") || description.hasPrefix("0X") {
            number = UInt32(description.dropFirst(2), radix: 16)
        } else {
            number = UInt32(description)
        }
        guard let number, let value = SessionNetworkID(number) else { return nil }
        self = value
    }
}
