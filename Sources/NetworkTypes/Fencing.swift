/// Counter of lease events of one block; every message and acknowledgement about the block names it.
public struct Epoch: Hashable, Comparable, Sendable, Codable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public var next: Epoch { Epoch(rawValue + 1) }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    public init(from decoder: any Decoder) throws { rawValue = try decoder.singleValueContainer().decode(UInt64.self) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension Epoch: CustomStringConvertible {
    public var description: String { String(rawValue) }
}

/// Position of a downward message: agents persist the highest and refuse lower ones.
///
/// Compared lexicographically: the generation rises at a restore from backup, the term at every election, the revision
/// at every write.
public struct Position: Hashable, Comparable, Sendable, Codable {
    public var generation: UInt64
    public var term: UInt64
    public var revision: UInt64
    public init(generation: UInt64, term: UInt64, revision: UInt64) {
        self.generation = generation
        self.term = term
        self.revision = revision
    }
    /// Before anything.
    public static let zero = Position(generation: 0, term: 0, revision: 0)
    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.generation, lhs.term, lhs.revision) < (rhs.generation, rhs.term, rhs.revision)
    }
}

extension Position: CustomStringConvertible {
    public var description: String { "\(generation).\(term).\(revision)" }
}

/// Monotonic time in nanoseconds since an arbitrary start; the only clock that a core ever sees.
public struct Instant: Hashable, Comparable, Sendable, Codable {
    public let nanoseconds: Int64
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }
    public static func + (lhs: Instant, rhs: Duration) -> Instant {
        Instant(nanoseconds: lhs.nanoseconds + rhs.inNanoseconds)
    }
    public static func - (lhs: Instant, rhs: Instant) -> Duration {
        .nanoseconds(lhs.nanoseconds - rhs.nanoseconds)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating.
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product + attoseconds / 1_000_000_000
    }
    /// Seconds as a floating point number.
    public var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
