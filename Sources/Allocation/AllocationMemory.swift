public import NetworkTypes

/// What the allocator remembers of one application between decisions: how long which surplus has lasted.
///
/// Losing it (a restart, a new leader) only delays releases by one hold time; nothing is released early.
public struct AllocationMemory: Hashable, Sendable {
    var hosts: [HostID: SurplusHold] = [:]
    var reserved: SurplusHold?
    var staging = StagingMemory()
    public init() {}
}

/// Since when how much is idle that nothing is expected of.
struct StagingMemory: Hashable, Sendable {
    var began: Instant?
    var reviewed: Instant?
    /// Identifiers times hours.
    var idled = 0.0
}

/// Rises at once; falls when a surplus lasted the hold time, and then only to the largest wish of that time.
struct SurplusHold: Hashable, Sendable {
    /// Blocks to keep.
    private(set) var level: Int
    /// Largest wish since the surplus began: what `level` falls to next. Nil while there is no surplus.
    private var lower: Int?
    private var since: Instant

    init(level: Int, at now: Instant) {
        self.level = level
        since = now
    }

    mutating func wish(_ wanted: Int, at now: Instant, hold: Duration) {
        if wanted >= level {
            level = wanted
            lower = nil
        } else if let lower, now - since < hold {
            self.lower = max(lower, wanted)
        } else {
            if let lower { level = max(lower, wanted) }
            lower = wanted < level ? wanted : nil
            since = now
        }
    }

    /// What `level` falls to next.
    var next: Int { lower ?? level }
    /// Time until `level` falls to `next`.
    func remaining(at now: Instant, hold: Duration) -> Duration { max(.zero, hold - (now - since)) }
}

/// A count whose past fades with a half-life; for launches per host.
public struct DecayedCount: Hashable, Sendable {
    public let halfLife: Duration
    private var value = 0.0
    private var updated: Instant?

    public init(halfLife: Duration) {
        precondition(halfLife > .zero, "a half-life is positive, not \(halfLife)")
        self.halfLife = halfLife
    }

    public mutating func add(_ count: Int, at now: Instant) {
        value = self.value(at: now) + Double(count)
        updated = now
    }

    /// The faded count; time that runs backwards fades nothing.
    public func value(at now: Instant) -> Double {
        guard let updated, now > updated else { return value }
        return value * Self.left(after: (now - updated).inSeconds / halfLife.inSeconds)
    }

    static let ln2 = 0.693147

    /// What is left after so many half-lives: 2^-x, on 0 ..< 1 by its quadratic through 0, 1/2 and 1: off by less than
    /// 0.3 %, without a math library.
    static func left(after halvings: Double) -> Double {
        guard halvings < 60 else { return 0 }
        let whole = halvings.rounded(.down)
        let part = halvings - whole
        return Double(sign: .plus, exponent: -Int(whole), significand: 1) * (1 - part * (0.671573 - 0.171573 * part))
    }
}
