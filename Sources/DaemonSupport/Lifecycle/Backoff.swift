/// How long to wait before the next attempt at a connection: doubled with every attempt, jittered, so that a fleet does not
/// come back in one moment; short again after an attempt that held.
public struct Backoff: Sendable {
    public static let least = Duration.milliseconds(100)
    public static let most = Duration.seconds(5)
    /// A connection that lasted this long was one.
    private static let held = Duration.seconds(10)

    private var next = least

    public init() {}

    /// - Parameters:
    ///   - lasted: how long the attempt that has just ended took.
    ///   - jitter: 0.5 ... 1.
    public mutating func pause(after lasted: Duration, jitter: Double = .random(in: 0.5...1)) -> Duration {
        if lasted > Self.held { next = Self.least }
        defer { next = min(next * 2, Self.most) }
        return next * jitter
    }
}
