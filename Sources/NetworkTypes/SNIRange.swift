/// A contiguous, non-empty run of identifiers.
public struct SNIRange: Hashable, Sendable, Codable {
    /// First identifier.
    public let first: SessionNetworkID
    /// Number of identifiers, at least 1.
    public let count: Int

    /// Nil when empty or when it leaves the 24-bit space.
    public init?(first: SessionNetworkID, count: Int) {
        guard count > 0, count <= SessionNetworkID.spaceSize - Int(first.rawValue) else { return nil }
        self.first = first
        self.count = count
    }

    /// For runs that arithmetic keeps inside the space.
    public init(unchecked first: UInt32, count: Int) {
        guard let value = SNIRange(first: SessionNetworkID(unchecked: first), count: count) else {
            preconditionFailure("range \(first)+\(count) leaves the identifier space")
        }
        self = value
    }

    private enum CodingKeys: String, CodingKey { case first, count }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let first = try container.decode(SessionNetworkID.self, forKey: .first)
        let count = try container.decode(Int.self, forKey: .count)
        guard let value = SNIRange(first: first, count: count) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "range \(first)+\(count) leaves the space"))
        }
        self = value
    }

    /// Last identifier, inclusive.
    public var last: SessionNetworkID { SessionNetworkID(unchecked: first.rawValue + UInt32(count - 1)) }
    /// One past the last, as a plain number (may be 2^24).
    public var end: UInt32 { first.rawValue + UInt32(count) }

    public func contains(_ sni: SessionNetworkID) -> Bool { sni >= first && sni.rawValue < end }
    public func contains(_ other: SNIRange) -> Bool { other.first >= first && other.end <= end }
    public func overlaps(_ other: SNIRange) -> Bool { first.rawValue < other.end && other.first.rawValue < end }

    /// The aligned blocks of `size` (a power of two) that tile this range; empty when the range is not aligned to it.
    public func blocks(of size: Int) -> [SNIBlock] {
        guard size > 0, size & (size - 1) == 0, count % size == 0, Int(first.rawValue) % size == 0 else { return [] }
        return stride(from: first.rawValue, to: end, by: size).compactMap {
            SNIBlock(first: SessionNetworkID(unchecked: $0), size: size)
        }
    }
}

extension SNIRange: Comparable {
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.first, lhs.count) < (rhs.first, rhs.count) }
}

extension SNIRange: CustomStringConvertible {
    public var description: String { count == 1 ? "\(first)" : "\(first)-\(last)" }
}

/// An aligned power-of-two run of identifiers: what a host leases. One block is one `/(32-k)` route and one VNI.
public struct SNIBlock: Hashable, Sendable, Codable {
    /// First identifier; also the block's VNI.
    public let first: SessionNetworkID
    /// Number of identifiers, a power of two that divides `first`.
    public let size: Int

    /// Smallest and largest block that may be leased to a host (`design.md` section 2), apart from sub-leases of one.
    public static let leasableSizes = 4...256

    /// Nil unless `size` is a power of two and `first` is aligned to it.
    public init?(first: SessionNetworkID, size: Int) {
        guard size > 0, size & (size - 1) == 0, Int(first.rawValue) % size == 0, size <= SessionNetworkID.spaceSize
        else { return nil }
        self.first = first
        self.size = size
    }

    private enum CodingKeys: String, CodingKey { case first, size }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let first = try container.decode(SessionNetworkID.self, forKey: .first)
        let size = try container.decode(Int.self, forKey: .size)
        guard let value = SNIBlock(first: first, size: size) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "\(first)+\(size) is not an aligned block"))
        }
        self = value
    }

    /// The one VNI that the block's traffic carries (RFC 7348): its first identifier.
    public var vni: SessionNetworkID { first }
    public var range: SNIRange { SNIRange(unchecked: first.rawValue, count: size) }
    public var last: SessionNetworkID { range.last }
    /// log2 of the size.
    public var order: Int { size.trailingZeroBitCount }
    public func contains(_ sni: SessionNetworkID) -> Bool { range.contains(sni) }
    /// Every identifier of the block, ascending.
    public var identifiers: [SessionNetworkID] {
        (0..<UInt32(size)).map { SessionNetworkID(unchecked: first.rawValue + $0) }
    }
}

extension SNIBlock: Comparable {
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.first, lhs.size) < (rhs.first, rhs.size) }
}

extension SNIBlock: CustomStringConvertible {
    public var description: String { "\(first)/\(size)" }
}
