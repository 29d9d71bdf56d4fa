/// How much an application keeps reserved and not leased, for launches on hosts that nobody foretold: refilled up to the
/// high mark when it falls below the low one.
///
/// What a host without room takes is a whole block, at random times: the square root of their rate is what such a stock
/// has to be for a given risk (the order-point rule of inventories).
public struct StagingMarks: Hashable, Sendable {
    /// Identifiers, whole blocks of four.
    public let low: Int
    public let high: Int

    private static let block = 4
    private static let lowMost = 16
    private static let highMost = 32

    /// What a launch that finds nothing brings for those behind it, at least.
    public static let fillLeast = 2 * block

    /// - Parameters:
    ///   - rate: launches per hour.
    ///   - worth: launches per hour that a block is worth; below, none is kept at all.
    ///   - least: what the operator and launches that wait ask for.
    public init(rate: Double, worth: Double, least: Int = 0) {
        let root = Int(max(0, rate).squareRoot() / 2) * Self.block
        let asked = (max(0, least) + Self.block - 1) / Self.block * Self.block
        guard rate >= worth else {
            (low, high) = (asked, asked)
            return
        }
        low = max(asked, min(Self.lowMost, max(Self.block, root)))
        high = max(low, min(Self.highMost, max(2 * Self.block, 2 * root)))
    }
}
