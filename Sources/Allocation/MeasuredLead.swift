public import NetworkTypes

/// How long it takes from a lease ahead of demand until all peers carry the block, as measured.
///
/// What is exceeded counts at once by half, what is not reached for little: the value stays near what slow staging takes,
/// whatever the many quick ones do.
public struct MeasuredLead: Hashable, Sendable {
    /// Nil before the first block was staged.
    public private(set) var value: Duration?
    /// When blocks that are not staged yet were leased, by first identifier.
    private var begun: [UInt32: Instant] = [:]

    private static let rise = 0.5
    private static let fall = 0.02

    public init() {}

    public mutating func begin(_ block: SNIBlock, at now: Instant) { begun[block.first.rawValue] = now }

    /// Staged.
    public mutating func end(_ block: SNIBlock, at now: Instant) {
        guard let since = begun.removeValue(forKey: block.first.rawValue), now >= since else { return }
        let measured = (now - since).inSeconds
        guard let before = value?.inSeconds else { return value = .seconds(measured) }
        value = .seconds(before + (measured > before ? Self.rise : Self.fall) * (measured - before))
    }

    /// It will not be staged any more.
    public mutating func forget(_ block: SNIBlock) { begun[block.first.rawValue] = nil }
}
