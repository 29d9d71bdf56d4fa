import Forecasting

/// What the logarithm of a rate is linear in; natural logarithms.
///
/// The same code serves decisions and the fit of the constants.
package struct MarginalFeatures {
    /// Of the n-th identifier of a floor.
    package static let floorCount = 23
    /// Of the level j above the present demand.
    package static let levelCount = 37

    private let demand: MarginalDemand
    private let length: Float
    /// The same for every floor and level.
    private let launched: Float
    private let hourly: Float
    private let daily: Float
    private let young: Float
    private let seen: Float
    private let slack: Float
    private let yesterday: (rise: Int, peak: Int)
    private let lastWeek: (rise: Int, peak: Int)
    private let anHourAgo: Int
    /// Logarithms of what ran in the mean of an hour and of a day.
    private let means: (hour: Float, day: Float)
    private let logs = Self.constants

    /// - Parameters:
    ///   - demand: just after the end of a tick.
    ///   - length: of a tick, in units of five minutes.
    package init(_ demand: MarginalDemand, length: Float) {
        self.demand = demand
        self.length = length
        let common = Self.log(
            SIMD8(
                1 + demand.lastLaunches, demand.hourly.value + Self.smallest(12),
                demand.daily.value + Self.smallest(288),
                Float(demand.ticks) * length + 12, Float(demand.ticks) * length + 1,
                Float(1 + max(0, demand.lastPeak - demand.inUse)), demand.hourlyUse.value + 1,
                demand.dailyUse.value + 1))
        means = (common[6], common[7])
        (launched, hourly, daily) = (common[0], common[1], common[2])
        (young, seen, slack) = (common[3], common[4], common[5])
        let season = demand.season
        yesterday = (season.rise(MarginalGrid.day) ?? 0, season.peak(around: MarginalGrid.day) ?? 0)
        lastWeek = (season.rise(MarginalGrid.week) ?? 0, season.peak(around: MarginalGrid.week) ?? 0)
        anHourAgo = season.rise(MarginalGrid.hour) ?? 0
    }

    /// Keeps logarithms finite where nothing was counted over this many ticks.
    private static func smallest(_ ticks: Float) -> Float { 0.05 / ticks }

    static func log(_ values: SIMD8<Float>) -> SIMD8<Float> { Elementary.log2(values) * 0.693_147_2 }

    /// - Parameter emit: is given each feature in turn, a lane per floor.
    package func floors(_ emit: (Int, SIMD8<Float>) -> Void) {
        emit(0, SIMD8(repeating: 1))
        let widths = MarginalGrid.floorWidths.replacing(with: 1, where: MarginalGrid.floorWidths .== 0)
        for place in 0...MarginalGrid.scales.count {
            let ticks = place > 0 ? MarginalGrid.scales[place - 1] : 1
            let rates = demand.rankRate(place)
            emit(1 + place, Self.log(rates / widths + Self.smallest(ticks)))
            guard place >= 2 else { continue }
            var tail = SIMD8<Float>()
            var sum: Float = 0
            for lane in stride(from: 7, through: 0, by: -1) {
                sum += rates[lane]
                tail[lane] = sum
            }
            emit(5 + place, Self.log(tail + Self.smallest(ticks)))
        }
        let isNever = demand.rankAges .< 0
        let ages = (demand.rankAges.replacing(with: 8192, where: isNever)).clamped(
            lowerBound: SIMD8(repeating: 1), upperBound: SIMD8(repeating: 8192))
        emit(11, Self.log(ages))
        emit(12, SIMD8<Float>.zero.replacing(with: 1, where: isNever))
        emit(13, logs.floorSizes)
        emit(14, SIMD8(repeating: launched))
        emit(15, SIMD8(repeating: hourly))
        emit(16, SIMD8(repeating: daily))
        let sizes = MarginalGrid.floorMiddles.replacing(with: 1, where: MarginalGrid.floorMiddles .< 1)
        func bits(_ rise: Int) -> SIMD8<Float> {
            SIMD8<Float>.zero.replacing(with: 1, where: sizes .<= Float(rise))
        }
        emit(17, bits(yesterday.rise))
        emit(18, bits(lastWeek.rise))
        emit(19, bits(anHourAgo))
        var shares = SIMD8<Float>()
        for lane in 0..<8 { shares[lane] = demand.spread.logShare(sizes[lane]) }
        let scalars = Self.log(SIMD8(Float(demand.inUse + 1), demand.spread.scale, 1, 1, 1, 1, 1, 1))
        emit(20, shares)
        emit(21, logs.floorSizes - scalars[1])
        emit(22, logs.floorSizes - scalars[0])
    }

    /// Of all buckets of levels.
    package func levels(_ emit: (Int, Int, SIMD8<Float>) -> Void) {
        var tails = [SIMD8<Float>](repeating: .zero, count: MarginalGrid.scales.count)
        for bucket in MarginalGrid.levels.indices.reversed() {
            level(bucket, &tails) { emit(bucket, $0, $1) }
        }
    }

    private func level(_ bucket: Int, _ tails: inout [SIMD8<Float>], _ emit: (Int, SIMD8<Float>) -> Void) {
        let width = Float(MarginalGrid.width(bucket))
        let middle = MarginalGrid.middle(bucket)
        emit(0, SIMD8(repeating: 1))
        let last = demand.levelCounts[bucket]
        emit(
            1,
            last == .zero
                ? logs.smallest[0] : Self.log(SIMD8<Float>(last) / (length * width) + Self.smallest(1)))
        for scale in MarginalGrid.scales.indices {
            let small = Self.smallest(MarginalGrid.scales[scale])
            if let rate = demand.rises.rate(bucket, scale: scale) {
                tails[scale] += rate
                emit(2 + scale, Self.log(rate / width + small))
            } else {
                emit(2 + scale, logs.smallest[1 + scale])
            }
            guard scale >= 1 else { continue }
            emit(6 + scale, tails[scale] == .zero ? logs.smallest[1 + scale] : Self.log(tails[scale] + small))
        }
        past(bucket, middle, emit)
        bits(Int(middle.rounded(.up)), emit)
        let log = logs.middles[bucket]
        let scalars = Self.log(
            SIMD8(Float(demand.inUse + 1), demand.spread.scale, Float(demand.inUse) + middle + 1, 1, 1, 1, 1, 1))
        emit(21, SIMD8(repeating: log))
        emit(22, SIMD8(repeating: log - scalars[0]))
        emit(23, SIMD8(repeating: launched))
        emit(24, SIMD8(repeating: hourly))
        emit(25, SIMD8(repeating: daily))
        emit(26, SIMD8(repeating: log - slack))
        emit(27, SIMD8(repeating: young))
        emit(28, logs.floorsAndOne)
        emit(29, logs.isFloor)
        emit(31, SIMD8(repeating: demand.spread.logShare(middle)))
        emit(32, SIMD8(repeating: log - scalars[1]))
        emit(33, SIMD8(repeating: max(0, scalars[2] - means.hour)))
        emit(34, SIMD8(repeating: min(0, scalars[2] - means.hour)))
        emit(35, SIMD8(repeating: max(0, scalars[2] - means.day)))
        emit(36, SIMD8(repeating: min(0, scalars[2] - means.day)))
    }

    /// How long ago the level was occupied, and how often levels of that age are taken.
    private func past(_ bucket: Int, _ middle: Float, _ emit: (Int, SIMD8<Float>) -> Void) {
        let level = demand.inUse + Int(middle.rounded())
        guard let age = demand.ages.age(of: level) else {
            let ratio = Self.log(SIMD8(repeating: Float(level + 1) / Float(demand.ages.highest + 1)))
            emit(11, .zero)
            emit(12, .zero)
            emit(13, .zero)
            emit(14, SIMD8(repeating: 1))
            emit(15, ratio)
            emit(16, SIMD8(repeating: seen))
            return
        }
        let ticks = demand.ages.ages[age] * length
        let log = Self.log(SIMD8(repeating: ticks))
        emit(11, Self.log(demand.hazards.rate(age: age, ticks: ticks)))
        emit(12, log)
        emit(13, log * log)
        emit(14, .zero)
        emit(15, .zero)
        emit(16, .zero)
    }

    /// What happened at this time of the day and of the week.
    private func bits(_ level: Int, _ emit: (Int, SIMD8<Float>) -> Void) {
        func bit(_ place: Int, _ isSet: Bool) { emit(place, SIMD8(repeating: isSet ? 1 : 0)) }
        bit(17, yesterday.rise >= level)
        bit(18, yesterday.peak >= demand.inUse + level)
        bit(19, lastWeek.rise >= level)
        bit(20, lastWeek.peak >= demand.inUse + level)
        bit(30, anHourAgo >= level)
    }

    private struct Constants {
        var floorSizes = SIMD8<Float>()
        var floorsAndOne = SIMD8<Float>()
        var isFloor = SIMD8<Float>()
        var middles: [Float] = []
        var smallest: [SIMD8<Float>] = []
    }

    private static let constants: Constants = {
        var made = Constants()
        let floors = SIMD8<Float>(MarginalGrid.floors)
        made.floorSizes = log(MarginalGrid.floorMiddles.replacing(with: 1, where: MarginalGrid.floorMiddles .< 1))
        made.floorsAndOne = log(floors + 1)
        made.isFloor = SIMD8<Float>.zero.replacing(with: 1, where: floors .> 0)
        made.middles = MarginalGrid.levels.indices.map { log(SIMD8(repeating: MarginalGrid.middle($0)))[0] }
        made.smallest = ([1] + MarginalGrid.scales).map { log(SIMD8(repeating: smallest($0))) }
        return made
    }()
}
