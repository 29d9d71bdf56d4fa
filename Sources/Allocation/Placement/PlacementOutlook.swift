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
    ///   - weight: the operator's, by host, up to 1; nothing is expected where it is 0.
    public init(
        advice: MarginalAdvice, next: Int, costRatio: Double, own: ApplicationLoad, load: FleetLoad,
        habit: PlacementHabit, prior: PlacementPrior, at now: Instant, weight: (HostID) -> Double = { _ in 1 }
    ) {
        self.advice = advice
        let rate = habit.launchesPerHour(at: now)
        self.rate = rate
        worth = Self.worth(costRatio: costRatio)
        order = habit.order
        var plan = Plan(own: own, load: load, order: order, left: min(max(0, next), Self.nextMax))
        let share = habit.shares(order, hosts: load.count, prior)
        plan.expect(share.map { rate * $0 }, worth: worth, weight)
        plan.place()
        seats = Dictionary(uniqueKeysWithValues: plan.places.map { (load.hosts[$0.host], $0.seat) })
    }

    /// Launches per hour that a block of four is worth.
    public static func worth(costRatio: Double) -> Double { blockLeast / costRatio }

    private struct Plan {
        struct Place {
            let host: Int
            let vms: Int
            /// Of ``FleetLoad``.
            let place: Int
            var seat: Seat
        }

        let own: ApplicationLoad
        let load: FleetLoad
        let order: PlacementOrder
        var left: Int
        /// Each host once, in an order that what is known decides alone.
        var places: [Place] = []

        /// Hosts that carry it, and as far down the order as a block is worth its idling.
        ///
        /// - Parameter rates: launches per hour of one host, by bin of its rank.
        mutating func expect(_ rates: [Double], worth: Double, _ weight: (HostID) -> Double) {
            for (seat, rank) in own.ranks(in: order, load) {
                let share = weight(load.hosts[seat.host])
                add(
                    seat.host, vms: seat.vms,
                    Seat(rate: rates[RankBin.bin(rank)] * min(1, max(0, share)), isOpen: share > 0))
            }
            // Below half of its worth nothing is kept either.
            let far = rates.lastIndex { $0 >= worth / 2 }.map { RankBin.end($0, hosts: load.count) } ?? 0
            guard far > 0 || left > 0 else { return }
            var (rank, open) = (0, left)
            own.visit(order, load) { host in
                let share = weight(load.hosts[host])
                let expected = rates[RankBin.bin(rank)] * min(1, max(0, share))
                if own.seats[host] == nil, share > 0, expected >= worth / 2 || open > 0 {
                    add(host, vms: 0, Seat(rate: expected))
                }
                open -= share > 0 ? 1 : 0
                rank += 1
                return rank < far || open > 0
            }
        }

        private mutating func add(_ host: Int, vms: Int, _ seat: Seat) {
            places.append(Place(host: host, vms: vms, place: load.place(host), seat: seat))
        }

        /// Gives the next launches their places.
        mutating func place() {
            guard left > 0 else { return }
            switch order {
            case .spread: spread()
            case .pack: pack()
            case .recent: share()
            }
        }

        /// Level by level, as one launch after the other would go to the host with the fewest.
        private mutating func spread() {
            places.sort { ($0.vms, $0.place) < ($1.vms, $1.place) }
            let open = places.indices.filter { places[$0].seat.isOpen }
            guard var level = open.first.map({ places[$0].vms }) else { return }
            while left > 0 {
                for index in open {
                    guard left > 0, places[index].vms <= level else { break }
                    places[index].seat.next += 1
                    left -= 1
                }
                level += 1
            }
        }

        /// As many as a host has room for, as far as is known.
        private mutating func pack() {
            places.sort { $0.place > $1.place }
            for index in places.indices where places[index].seat.isOpen && places[index].place < load.roomy {
                let part = min(left, load.peak - load.total(places[index].host))
                places[index].seat.next += part
                left -= part
            }
        }

        private mutating func share() {
            let sum = places.reduce(0) { $0 + $1.seat.rate }
            guard sum > 0 else { return }
            for index in places.indices {
                places[index].seat.next = Int((places[index].seat.rate / sum * Double(left)).rounded())
            }
        }
    }
}
