/// The launches of one application minute by minute, keeping nothing of the past: for runs whose events would not fit
/// into a ``SyntheticTrace``. It draws the same VMs as a trace of the same shape and generator, and knows no limit.
public struct DemandStream: Sendable {
    /// One VM to come.
    public struct Launch: Hashable, Sendable {
        /// Days since the start of the stream.
        public var start: Double
        /// Days.
        public var life: Double
    }

    private var walk: ApplicationWalk

    public init(shape: TraceShape, generator: SeededGenerator) {
        precondition(shape.limit == nil, "a stream does not count VMs, so it cannot keep a limit")
        walk = ApplicationWalk(shape: shape, days: .infinity, generator: generator)
    }

    /// What the next minute draws, in no order; a burst reaches up to five minutes ahead.
    public mutating func nextMinute() -> [Launch] { walk.launches().map { Launch(start: $0.start, life: $0.life) } }
}
