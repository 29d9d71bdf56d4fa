public import NetworkTypes

/// What is expected of one application's launches on its hosts.
public struct PlacementOutlook: Hashable, Sendable {
    public struct Seat: Hashable, Sendable {
        /// Of the next launches that are prepared for, how many go here.
        public var next = 0
        /// Launches per hour.
        public var rate = 0.0
        /// False where the operator's weight is 0: what it has stays.
        public var isOpen = true
    }

    /// What the rule of marginal value says.
    public let advice: MarginalAdvice
    /// Launches per hour, on all hosts.
    public let rate: Double
    /// Launches per hour that a block of four is worth: as much as it costs to let it idle.
    public let worth: Double
    public let order: PlacementOrder
    /// Hosts of which something is expected, and those that carry the application.
    public let seats: [HostID: Seat]

    /// Identifiers of the smallest block.
    static let blockLeast = 4.0
    /// So many launches ahead are given a place; a rise beyond is for the reserve.
    private static let nextMax = 65_536

    /// Lays the next launches out on hosts as the habit has it.
    ///
    /// - Parameters:
    ///   - next: how many are prepared for.
    ///   - costRatio: of a launch that finds nothing, in idle hours of one identifier.
    ///   - weight: the operator's, by host; nothing is expected where it is 0.
    public init(
        advice: MarginalAdvice, next: Int, costRatio: Double, own: ApplicationLoad, load: FleetLoad,
        habit: PlacementHabit, prior: PlacementPrior, at now: Instant, weight: (HostID) -> Double = { _ in 1 }
    ) {
        self.advice = advice
        rate = habit.launchesPerHour(at: now)
        worth = Self.worth(costRatio: costRatio)
        order = habit.order
        var plan = Plan(own: own, load: load, order: order, left: min(max(0, next), Self.nextMax))
        plan.expect(rate, worth: worth, habit, prior, weight)
        plan.place()
        seats = Dictionary(uniqueKeysWithValues: plan.seats.map { (load.hosts[$0.key], $0.value) })
    }

    /// Launches per hour that a block of four is worth.
    public static func worth(costRatio: Double) -> Double { blockLeast / costRatio }

    private struct Plan {
        let own: ApplicationLoad
        let load: FleetLoad
        let order: PlacementOrder
        var left: Int
        var seats: [Int: Seat] = [:]

        /// Hosts that carry it, and as far down the order as a block is worth its idling.
        mutating func expect(
            _ rate: Double, worth: Double, _ habit: PlacementHabit, _ prior: PlacementPrior,
            _ weight: (HostID) -> Double
        ) {
            var found: [Int: Seat] = [:]
            for host in own.seats.keys { found[host] = Seat() }
            var (rank, far, open) = (0, own.seats.count, left)
            own.visit(order, load) { host in
                let share = habit.share(of: rank, order, hosts: load.count, prior)
                let expected = rate * share * max(0, weight(load.hosts[host]))
                // Below half of its worth nothing is kept either.
                let counts = expected >= worth / 2
                if counts || found[host] != nil || open > 0 {
                    if found[host] != nil { far -= 1 }
                    found[host, default: Seat()].rate = expected
                    open -= weight(load.hosts[host]) > 0 ? 1 : 0
                }
                rank += 1
                // Shares fall with the bins; those that carry it are looked at whatever is expected of them.
                return counts || far > 0 || open > 0 || rank < 1 << (RankBin.count - 2)
            }
            for host in found.keys where weight(load.hosts[host]) <= 0 { found[host]?.isOpen = false }
            seats = found
        }

        /// Gives the next launches their places.
        mutating func place() {
            switch order {
            case .spread: spread()
            case .pack: pack()
            case .recent: share()
            }
        }

        private func ordered(_ precedes: (Int, Int) -> Bool) -> [Int] {
            seats.keys.filter { seats[$0]?.isOpen ?? false }.sorted(by: precedes)
        }

        /// Level by level, as one launch after the other would go to the host with the fewest.
        private mutating func spread() {
            let hosts = ordered { (own.vms($0), load.place($0)) < (own.vms($1), load.place($1)) }
            guard let first = hosts.first else { return }
            var level = own.vms(first)
            while left > 0 {
                for host in hosts {
                    guard left > 0, own.vms(host) <= level else { break }
                    seats[host]?.next += 1
                    left -= 1
                }
                level += 1
            }
        }

        /// As many as a host has room for, as far as is known.
        private mutating func pack() {
            for host in ordered({ load.place($0) > load.place($1) }) where left > 0 && load.place(host) < load.roomy {
                let part = min(left, load.peak - load.total(host))
                seats[host]?.next += part
                left -= part
            }
        }

        private mutating func share() {
            let sum = seats.values.reduce(0) { $0 + $1.rate }
            guard sum > 0 else { return }
            for (host, seat) in seats where seat.rate > 0 {
                seats[host]?.next = Int((seat.rate / sum * Double(left)).rounded())
            }
        }
    }
}
