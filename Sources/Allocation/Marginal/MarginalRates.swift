import Forecasting

/// Expected launches per five minutes that one more identifier would serve, by where it is added.
package struct MarginalRates: Sendable {
    /// By lane: the last identifiers of a floor of that size.
    package var floors: SIMD8<Float>
    /// By bucket, in each lane beside that floor: the levels above the present demand.
    package var levels: [SIMD8<Float>]

    package init(_ features: MarginalFeatures, constants: MarginalConstants) {
        var floor = SIMD8<Float>()
        features.floors { place, value in floor += value * constants.floors[place] }
        floors = Self.exp(floor)
        var levels = [SIMD8<Float>](repeating: .zero, count: MarginalGrid.levels.count)
        features.levels { bucket, place, value in levels[bucket] += value * constants.levels[place] }
        for bucket in levels.indices { levels[bucket] = Self.exp(levels[bucket]) }
        self.levels = levels
    }

    package init(floors: SIMD8<Float>, levels: [SIMD8<Float>]) { (self.floors, self.levels) = (floors, levels) }

    private static func exp(_ values: SIMD8<Float>) -> SIMD8<Float> { Elementary.exp2(values * 1.442_695) }

    /// A floor and the levels beside it.
    struct Choice {
        var lane: Int
        /// Identifiers of the floor.
        var floor: Int32
        /// Levels above the present demand that are held; none where the floor holds as many.
        var level: Int32
        /// The last bucket that is held beyond the floor, and the price at which it was chosen.
        var bucket: Int?
    }

    /// For each floor: the levels worth their price beside it, and what they bring.
    struct Prefixes {
        /// Launches served beyond the price, per five minutes.
        var gains = SIMD8<Float>()
        var buckets = SIMD8<Int32>(repeating: -1)
    }

    /// - Parameters:
    ///   - price: of an identifier that idles for five minutes, in launches served.
    ///   - divisor: of the rates of levels.
    func prefixes(price: Float, divisor: Float) -> Prefixes {
        var best = Prefixes()
        var sum = SIMD8<Float>()
        for bucket in levels.indices {
            sum += (levels[bucket] / divisor - price) * Self.widthsBeyond[bucket]
            let isBetter = sum .> best.gains
            best.gains.replace(with: sum, where: isBetter)
            best.buckets.replace(with: Int32(bucket), where: isBetter)
        }
        return best
    }

    /// What each floor brings by itself.
    func floorGains(price: Float) -> SIMD8<Float> {
        var sum: Float = 0
        var gains = SIMD8<Float>()
        for lane in 1..<8 {
            sum += (floors[lane] - price) * MarginalGrid.floorWidths[lane]
            gains[lane] = sum
        }
        return gains
    }

    /// The best of the first `lanes` floors with its levels.
    func choice(_ floorGains: SIMD8<Float>, _ prefixes: Prefixes, lanes: Int, price: Float, divisor: Float) -> Choice {
        let gains = floorGains + prefixes.gains
        var lane = 0
        for other in 1..<lanes where gains[other] > gains[lane] { lane = other }
        let most = lane + 1 < lanes ? MarginalGrid.floors[lane + 1] - 1 : MarginalGrid.floors[lane]
        let floor = min(most, floorEnd(lane, price: price))
        let bucket = Int(prefixes.buckets[lane])
        guard bucket >= 0 else { return Choice(lane: lane, floor: floor, level: 0, bucket: nil) }
        let level = levelEnd(bucket, lane: lane, price: price * divisor)
        return Choice(lane: lane, floor: floor, level: level > floor ? level : 0, bucket: bucket)
    }

    /// Where the rate of a floor's next identifier falls below the price, between the sizes that are told apart.
    private func floorEnd(_ lane: Int, price: Float) -> Int32 {
        let floors = MarginalGrid.floors
        guard lane > 0, lane < 7 else { return floors[lane] }
        let end = Self.crossing(
            price, (MarginalGrid.floorMiddles[lane], self.floors[lane]),
            (MarginalGrid.floorMiddles[lane + 1], self.floors[lane + 1]))
        guard let end else { return floors[lane] }
        return min(max(Int32(end.rounded()), floors[lane - 1] + 1), floors[lane + 1] - 1)
    }

    /// The same of levels.
    private func levelEnd(_ bucket: Int, lane: Int, price: Float) -> Int32 {
        let tops = MarginalGrid.levels
        guard bucket > 0, bucket + 1 < tops.count else { return tops[bucket] }
        let end = Self.crossing(
            price, (MarginalGrid.middle(bucket), levels[bucket][lane]),
            (MarginalGrid.middle(bucket + 1), levels[bucket + 1][lane]))
        guard let end else { return tops[bucket] }
        return min(max(Int32(end.rounded()), tops[bucket - 1] + 1), tops[bucket + 1] - 1)
    }

    /// Where a rate that falls as a power from one place to the next reaches the price.
    private static func crossing(
        _ price: Float, _ here: (place: Float, rate: Float), _ next: (place: Float, rate: Float)
    ) -> Float? {
        guard price > 0, here.rate > price, here.rate.isFinite, next.rate < price, next.rate > 0 else { return nil }
        func log(_ value: Float) -> Double { Elementary.log2(Double(value)) }
        let share = (log(here.rate) - log(price)) / (log(here.rate) - log(next.rate))
        return here.place * Float(Elementary.exp2(share * (log(next.place) - log(here.place))))
    }

    /// Levels of each bucket that a floor does not hold anyway: what is kept free counts for both.
    private static let widthsBeyond: [SIMD8<Float>] = MarginalGrid.levels.indices.map { bucket in
        let top = SIMD8<Float>(repeating: Float(MarginalGrid.levels[bucket]))
        let below = SIMD8<Float>(repeating: bucket > 0 ? Float(MarginalGrid.levels[bucket - 1]) : 0)
        let held = SIMD8<Float>(MarginalGrid.floors)
        let start = below.replacing(with: held, where: held .> below)
        let width = top - start
        return width.replacing(with: 0, where: width .< 0)
    }
}
