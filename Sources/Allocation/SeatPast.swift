public import NetworkTypes

/// What is remembered of the demand of one (application, host), and what it lets expect: three days by the hour, the
/// mean life of a VM, the last launch.
///
/// Demand is in identifiers, bound and cooling. Losing it (a restart) costs a day of worse sizes and nothing else: where
/// nothing is remembered, the application's other hosts stand in.
public struct SeatPast: Hashable, Sendable {
    /// The application's policy names the host: launches are expected there before the first.
    public var isHome = false

    private struct Hour: Hashable, Sendable {
        var peak: Int32 = 0
        var mean: Int32 = 0
    }

    /// A ring of the last whole hours, the present one excluded.
    private var hours: [Hour] = []
    /// First hour ever reviewed and the present one, since the clock's start.
    private var first = 0
    private var present = 0
    /// Of the present hour.
    private var peak = 0
    private var sum = 0
    private var reviews = 0
    /// Stops, and seconds that VMs lived, both forgotten alike: their ratio is Little's law.
    private var stops = 0.0
    private var lived = 0.0
    /// Since the last review.
    private var freshStops = 0
    private var launched: Instant?

    private static let days = 3
    private static let hoursPerDay = 24
    private static let hour = Duration.seconds(3600)
    /// Per review; with five minutes between two, half of it is forgotten after an hour and a half.
    private static let keep = 0.96
    private static let lifeMax = Duration.seconds(86_400)
    /// So long after a launch more of them are expected.
    private static let busy = Duration.seconds(600)
    /// Share of a deviation from the remembered day that is left after an hour.
    private static let persistence = 0.5
    /// Share of the application's typical load that a place which takes launches is counted on to reach at once.
    private static let filling = 0.5

    public init() {}

    /// A VM was launched here.
    public mutating func launch(demand: Int, at now: Instant) {
        roll(to: now)
        launched = now
        peak = max(peak, demand)
    }

    /// A VM stopped here.
    public mutating func stop() { freshStops += 1 }

    /// Takes down the demand; to be called at equal intervals.
    public mutating func review(_ demand: Int, interval: Duration, at now: Instant) {
        roll(to: now)
        peak = max(peak, demand)
        sum += demand
        reviews += 1
        stops = stops * Self.keep + Double(freshStops)
        freshStops = 0
        lived = lived * Self.keep + Double(demand) * interval.inSeconds
    }

    /// What to expect for the day ahead.
    ///
    /// Each remembered day counts as one that may come again, shifted by how much the present differs from the same
    /// hour of that day; the shift halves with every hour ahead.
    ///
    /// - Parameters:
    ///   - demand: present demand, in identifiers.
    ///   - typical: VMs of the application on a host that carries it, where a VM counts, not a host.
    ///   - carriers: hosts that hold a block of the application.
    ///   - isFinal: nothing comes back: only the present demand counts.
    public func outlook(
        _ demand: Int, typical: Double, carriers: Int, isFinal: Bool = false, at now: Instant
    ) -> BlockPolicy.Outlook {
        var outlook = BlockPolicy.Outlook(now: demand, peaks: [], life: life, carriers: carriers)
        guard !isFinal else { return outlook }
        let expects = isHome && launched.map { now - $0 < Self.busy } ?? false
        let level = expects ? max(demand, Int((Self.filling * typical).rounded())) : demand
        let hour = Self.number(of: now)
        outlook.peaks.reserveCapacity(Self.days * Self.hoursPerDay)
        for day in 1...Self.days {
            let base = hour - day * Self.hoursPerDay
            guard base >= first, !hours.isEmpty else { break }
            var shift = Double(level) - Double(past(base).mean)
            for ahead in 0..<Self.hoursPerDay {
                let peak = Int((Double(past(base + ahead).peak) + shift).rounded())
                outlook.peaks.append(ahead == 0 ? max(level, peak) : max(0, peak))
                shift *= Self.persistence
            }
        }
        if outlook.peaks.isEmpty {
            let later = isHome ? max(level, Int(typical.rounded(.up))) : level
            outlook.peaks = [level, later, later, later]
        }
        return outlook
    }

    /// Mean life of a VM; a day where too few have stopped to tell.
    public var life: Duration {
        stops > 0.001 ? min(Self.lifeMax, .seconds(lived / stops)) : Self.lifeMax
    }

    private func past(_ hour: Int) -> Hour {
        hour < present ? hours[hour % hours.count] : hour == present ? running : Hour()
    }

    private var running: Hour {
        Hour(
            peak: Int32(clamping: peak), mean: Int32(clamping: reviews > 0 ? (sum + reviews / 2) / reviews : 0))
    }

    /// Closes the hours that are over; in those without a review nothing was here.
    private mutating func roll(to now: Instant) {
        let hour = Self.number(of: now)
        if hours.isEmpty {
            hours = Array(repeating: Hour(), count: Self.days * Self.hoursPerDay)
            (first, present) = (hour, hour)
        }
        guard hour > present else { return }
        hours[present % hours.count] = running
        (peak, sum, reviews) = (0, 0, 0)
        for silent in max(present + 1, hour - hours.count)..<max(present + 1, hour) {
            hours[silent % hours.count] = Hour()
        }
        present = hour
    }

    private static func number(of now: Instant) -> Int { Int(now.nanoseconds / hour.inNanoseconds) }
}
