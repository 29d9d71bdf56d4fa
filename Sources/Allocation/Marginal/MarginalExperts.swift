import Forecasting

/// Thirty corrections of the pooled rates, each judged by what it would have served and kept idle for this application.
///
/// What an expert holds follows from its target and floor alone: a launch is served up to its target, and beyond by its
/// floor if the rank allows. So none needs a simulation of its own.
package struct MarginalExperts: Hashable, Sendable {
    /// The first of both is believed before anything is known.
    private static let divisors: [Float] = [1, 0.5, 2, 0.25, 4]
    private static let lanes = [7, 5, 4, 3, 2, 0]
    package static let count = divisors.count * lanes.count
    /// Ticks of five minutes over which scores fade: four weeks.
    private static let fade: Float = 8064
    /// Launches that another expert must have served more before it is followed.
    private static let prior: Float = 5

    private var targets = SIMD32<Int32>()
    private var floors = SIMD32<Int32>()
    private var scores = SIMD32<Float>()
    /// Of an identifier that idles for five minutes, in launches served.
    private var price: Float = 0
    /// Of the floor last chosen, in the grid.
    private(set) var lane = 0

    package init() { scores[0] = Self.prior }

    /// Launches of one rank at consecutive levels.
    package mutating func launch(_ count: Int, level: Int, rank: Int) {
        let (count, level, rank) = (Int32(clamping: count), Int32(clamping: level), Int32(clamping: rank))
        let below = (targets &- (level &- 1)).clamped(
            lowerBound: SIMD32(repeating: 0), upperBound: SIMD32(repeating: count))
        let served = below.replacing(with: count, where: floors .>= rank)
        scores += SIMD32<Float>(served)
    }

    /// Time in which nothing changed.
    ///
    /// - Parameter length: in units of five minutes.
    package mutating func pass(_ length: Float, inUse: Int) {
        guard length > 0, price > 0 else { return }
        let above = targets &- Int32(clamping: inUse)
        let idle = above.replacing(with: floors, where: floors .> above)
        scores -= SIMD32<Float>(idle) * (price * length)
    }

    /// All experts decide; the one that did best is followed.
    package mutating func decide(
        _ rates: MarginalRates, price: Float, inUse: Int, length: Float
    ) -> MarginalDecision {
        self.price = price
        var leader = 0
        scores *= 1 - length / Self.fade
        for expert in 1..<Self.count where scores[expert] > scores[leader] { leader = expert }
        var chosen = MarginalRates.Choice(lane: 0, floor: 0, level: 0, bucket: nil)
        let gains = rates.floorGains(price: price)
        for (row, divisor) in Self.divisors.enumerated() {
            let prefixes = rates.prefixes(price: price, divisor: divisor)
            for (column, lane) in Self.lanes.enumerated() {
                let expert = row * Self.lanes.count + column
                let choice = rates.choice(
                    gains, prefixes, lanes: lane + 1, price: price, divisor: divisor)
                targets[expert] = Int32(clamping: inUse + Int(choice.level))
                floors[expert] = choice.floor
                if expert == leader { chosen = choice }
            }
        }
        lane = chosen.lane
        return decision(leader, chosen, rates, inUse: inUse)
    }

    private func decision(
        _ leader: Int, _ choice: MarginalRates.Choice, _ rates: MarginalRates, inUse: Int
    ) -> MarginalDecision {
        let next = choice.bucket.map { $0 + 1 } ?? 0
        return MarginalDecision(
            target: Int(targets[leader]), extra: Int(floors[leader]), inUse: inUse, price: price,
            expert: expert(leader),
            lastOfFloor: choice.lane > 0 ? rates.floors[choice.lane] : nil,
            lastLevel: choice.bucket.map { rates.levels[$0][choice.lane] },
            nextLevel: next < rates.levels.count ? rates.levels[next][choice.lane] : nil)
    }

    private func expert(_ place: Int) -> MarginalExpert {
        MarginalExpert(
            divisor: Self.divisors[place / Self.lanes.count],
            floorMax: Int(MarginalGrid.floors[Self.lanes[place % Self.lanes.count]]), score: scores[place])
    }

    mutating func code(_ coder: inout some StateCoder) {
        for expert in 0..<Self.count {
            coder.code(&targets[expert])
            coder.code(&floors[expert])
            coder.code(&scores[expert])
        }
        coder.code(&price)
        coder.code(&lane)
    }

    var isPossible: Bool {
        all(targets .>= 0) && all(floors .>= 0) && all(floors .<= MarginalGrid.floors[7])
            && (0..<Self.count).allSatisfy { scores[$0].magnitude <= MarginalBounds.number }
            && MarginalBounds.isCount(price) && 0..<8 ~= lane
    }

    /// By divisor, then by largest floor.
    var standings: [MarginalExpert] { (0..<Self.count).map(expert) }
}
