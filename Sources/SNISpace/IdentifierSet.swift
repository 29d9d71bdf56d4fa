/// An ordered set of numbers below 2^24: a sparse tree of 64-way bit maps.
///
/// Insertion, removal, membership and minimum touch four words, whatever the set holds; an empty set costs nothing.
public struct IdentifierSet: Hashable, Sendable {
    /// Level 0 holds the members; a bit of level n + 1 says that a word of level n is not empty.
    private var levels: [[UInt32: UInt64]] = [[:], [:], [:], [:]]
    /// Number of members.
    public private(set) var count = 0

    public init() {}

    public var isEmpty: Bool { count == 0 }

    public func contains(_ value: UInt32) -> Bool {
        guard let word = levels[0][value >> 6] else { return false }
        return word & (1 << UInt64(value & 63)) != 0
    }

    /// True when it was not a member.
    @discardableResult public mutating func insert(_ value: UInt32) -> Bool {
        precondition(value < 1 << 24, "\(value) is outside the identifier space")
        guard !contains(value) else { return false }
        count += 1
        var key = value
        for level in levels.indices {
            let bit: UInt64 = 1 << UInt64(key & 63)
            key >>= 6
            let before = levels[level][key] ?? 0
            levels[level][key] = before | bit
            if before != 0 { break }
        }
        return true
    }

    /// True when it was a member.
    @discardableResult public mutating func remove(_ value: UInt32) -> Bool {
        guard contains(value) else { return false }
        count -= 1
        var key = value
        for level in levels.indices {
            let bit: UInt64 = 1 << UInt64(key & 63)
            key >>= 6
            let after = (levels[level][key] ?? 0) & ~bit
            levels[level][key] = after == 0 ? nil : after
            if after != 0 { break }
        }
        return true
    }

    /// The smallest member.
    public var min: UInt32? { next(from: 0) }

    /// The smallest member that is not below `value`.
    public func next(from value: UInt32) -> UInt32? {
        guard !isEmpty, value < 1 << 24 else { return nil }
        var key = value
        for level in levels.indices {
            let word = (levels[level][key >> 6] ?? 0) & (UInt64.max << UInt64(key & 63))
            if word != 0 { return descend(from: level, key: (key >> 6) << 6 | UInt32(word.trailingZeroBitCount)) }
            key = (key >> 6) + 1
            if key >= 1 << (24 - 6 * UInt32(level + 1)) { return nil }
        }
        return nil
    }

    private func descend(from level: Int, key: UInt32) -> UInt32 {
        var key = key
        for lower in (0..<level).reversed() {
            guard let word = levels[lower][key] else { preconditionFailure("level \(lower) lost word \(key)") }
            key = key << 6 | UInt32(word.trailingZeroBitCount)
        }
        return key
    }
}

extension IdentifierSet: Sequence {
    /// Ascending.
    public func makeIterator() -> AnyIterator<UInt32> {
        var cursor: UInt32? = 0
        return AnyIterator {
            guard let from = cursor, let found = next(from: from) else { return nil }
            cursor = found + 1
            return found
        }
    }
}
