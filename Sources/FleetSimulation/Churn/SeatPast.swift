import NetworkTypes

/// What is remembered of the demand of one (application, host).
struct SeatPast: Hashable, Sendable {
    /// The application's policy names the host: launches are expected there before the first.
    var isHome = false
    /// Stops since the last review.
    var stops = 0
    /// The largest demand of late, half forgotten after ``BlockPolicy/memory``.
    private var peak = 0.0
    /// The largest demand by half days, the running one last: one and a half days at most.
    private var halves: [Int] = []
    private var half = -1
    /// Stops and demand per review, both forgotten alike: their ratio is Little's law.
    private var stopRate = 0.0
    private var level = 0.0

    private static let halfDay = Duration.seconds(43_200)
    /// Per review; with five minutes between two, half of it is forgotten after an hour and a half.
    private static let keep = 0.96
    private static let lifeMax = Duration.seconds(86_400)

    mutating func review(_ demand: Int, forgetting: Double, at now: Instant) {
        peak = max(Double(demand), peak * forgetting)
        let present = Int(now.nanoseconds / Self.halfDay.inNanoseconds)
        if half != present {
            halves = halves.suffix(2) + [0]
            half = present
        }
        halves[halves.count - 1] = max(demand, halves[halves.count - 1])
        stopRate = stopRate * Self.keep + Double(stops)
        level = level * Self.keep + Double(demand)
        stops = 0
    }

    /// - Parameters:
    ///   - isFinal: nothing comes back: only the present demand counts.
    ///   - typical: what to expect where nothing is remembered.
    ///   - interval: between two reviews.
    func view(_ demand: Int, isFinal: Bool, typical: Int, interval: Duration) -> BlockPolicy.Demand {
        let life = stopRate > 0.001 ? min(Self.lifeMax, interval * (level / stopRate)) : Self.lifeMax
        let day = halves.max() ?? 0
        return BlockPolicy.Demand(
            now: demand, recent: isFinal ? demand : max(demand, Int(peak)),
            dayPeak: max(demand, day > 0 ? day : isHome ? typical : 0), life: life)
    }
}
