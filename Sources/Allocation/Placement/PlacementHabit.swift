public import NetworkTypes

/// Ranks of the host that took a launch, by order.
public struct PlacementRanks: Hashable, Sendable {
    private var ranks: SIMD4<Int32>

    /// As things stood before the launch.
    public init(of host: Int, _ own: ApplicationLoad, _ load: FleetLoad) {
        ranks = .zero
        for order in PlacementOrder.allCases {
            ranks[order.rawValue] = Int32(clamping: own.rank(of: host, in: order, load))
        }
    }

    subscript(order: PlacementOrder) -> Int { Int(ranks[order.rawValue]) }
}

/// Ranks in bins that double: 0, 1, 2 to 3, 4 to 7 ... 128 and beyond.
enum RankBin {
    static let count = 9

    static func bin(_ rank: Int) -> Int { rank <= 0 ? 0 : min(count - 1, Int.bitWidth - rank.leadingZeroBitCount) }

    /// Hosts in it.
    static func size(_ bin: Int, hosts: Int) -> Int {
        let first = bin == 0 ? 0 : 1 << (bin - 1)
        return max(0, end(bin, hosts: hosts) - first)
    }

    /// The first rank behind it.
    static func end(_ bin: Int, hosts: Int) -> Int { bin == count - 1 ? hosts : min(hosts, 1 << bin) }
}

/// What all applications together show of where launches go: an application that is new follows it.
public struct PlacementPrior: Hashable, Sendable {
    private static let keep = 0.9995
    private var counts = Array(repeating: 1.0, count: RankBin.count * PlacementOrder.allCases.count)

    public init() {}

    func share(_ bin: Int, _ order: PlacementOrder) -> Double {
        let start = order.rawValue * RankBin.count
        return counts[start + bin] / counts[start..<start + RankBin.count].reduce(0, +)
    }

    fileprivate mutating func add(_ bin: Int, _ order: PlacementOrder) {
        let start = order.rawValue * RankBin.count
        for index in start..<start + RankBin.count { counts[index] *= Self.keep }
        counts[start + bin] += 1
    }
}

/// Where launches of one application go, as ranks of the hosts that took them in three orders, and how often it is
/// launched.
///
/// The orchestrator is not known and not asked: whichever of the orders has foretold the last launches best is followed,
/// and how far down launches reach is counted. So hosts that nobody can tell apart share what is expected of them.
/// 64 bytes. Losing it costs some launches of worse places.
public struct PlacementHabit: Hashable, Sendable {
    /// Of the last thirty to sixty launches, by order and bin; halved when they fill up.
    private var counts = SIMD32<UInt8>.zero
    /// How well each order foretold, in doublings against any host alike; fading.
    private var scores = Triple()
    /// Launches that faded over half an hour, three hours and a day.
    private var launches = Triple()
    private var updated: Int64 = .min

    private static let step: UInt8 = 4
    /// The prior counts as so many launches.
    private static let trust = 8.0
    private static let scoreKept: Float = 0.98
    private static let halfLives: [Double] = [1800, 10_800, 86_400]

    /// A vector of the standard library would take the room of a fourth.
    private struct Triple: Hashable, Sendable {
        private var first: Float = 0
        private var second: Float = 0
        private var third: Float = 0

        subscript(place: Int) -> Float {
            get { place == 0 ? first : place == 1 ? second : third }
            set {
                switch place {
                case 0: first = newValue
                case 1: second = newValue
                default: third = newValue
                }
            }
        }
    }

    public init() {}

    /// A launch, with the ranks of its host before it.
    public mutating func learn(_ ranks: PlacementRanks, hosts: Int, prior: inout PlacementPrior, at now: Instant) {
        for order in PlacementOrder.allCases {
            let bin = RankBin.bin(ranks[order])
            let told = likelihood(bin, order, hosts: hosts, prior) * Double(hosts)
            scores[order.rawValue] = scores[order.rawValue] * Self.scoreKept + Self.doublings(max(told, 1e-6))
            count(bin, order)
            prior.add(bin, order)
        }
        launches = faded(to: now)
        for index in Self.halfLives.indices { launches[index] += 1 }
        updated = max(updated, now.nanoseconds)
    }

    private mutating func count(_ bin: Int, _ order: PlacementOrder) {
        let start = order.rawValue * RankBin.count
        var sum = 0
        for index in start..<start + RankBin.count { sum += Int(counts[index]) }
        if sum + Int(Self.step) > Int(UInt8.max) {
            for index in start..<start + RankBin.count { counts[index] /= 2 }
        }
        counts[start + bin] += Self.step
    }

    /// Which order foretells best.
    public var order: PlacementOrder {
        var best = PlacementOrder.spread
        for order in PlacementOrder.allCases where scores[order.rawValue] > scores[best.rawValue] { best = order }
        return best
    }

    /// Probability that the next launch goes to one host, by bin of its rank.
    func shares(_ order: PlacementOrder, hosts: Int, _ prior: PlacementPrior) -> [Double] {
        (0..<RankBin.count).map { likelihood($0, order, hosts: hosts, prior) }
    }

    private func likelihood(_ bin: Int, _ order: PlacementOrder, hosts: Int, _ prior: PlacementPrior) -> Double {
        let start = order.rawValue * RankBin.count
        var sum = 0.0
        for index in start..<start + RankBin.count { sum += Double(counts[index]) }
        let scale = Double(Self.step)
        let mass =
            (Double(counts[start + bin]) / scale + Self.trust * prior.share(bin, order)) / (sum / scale + Self.trust)
        return mass / Double(max(1, RankBin.size(bin, hosts: hosts)))
    }

    /// Launches per hour to be expected: the mean of what the last half hour, three hours and day show.
    public func launchesPerHour(at now: Instant) -> Double {
        let faded = faded(to: now)
        var sum = 0.0
        for (index, halfLife) in Self.halfLives.enumerated() {
            sum += Double(faded[index]) * DecayedCount.ln2 / halfLife * 3600
        }
        return sum / Double(Self.halfLives.count)
    }

    private func faded(to now: Instant) -> Triple {
        guard updated != .min, now.nanoseconds > updated else { return launches }
        let seconds = Double(now.nanoseconds - updated) / 1e9
        var result = launches
        for (index, halfLife) in Self.halfLives.enumerated() {
            result[index] *= Float(DecayedCount.left(after: seconds / halfLife))
        }
        return result
    }

    /// The logarithm to base 2, straight between powers of two.
    private static func doublings(_ value: Double) -> Float {
        let exponent = Double(value.exponent)
        return Float(exponent + (value.significand - 1))
    }
}
