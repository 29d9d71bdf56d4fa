import Forecasting

/// What is remembered of the launches and stops of one application: everything that the rates are computed from.
///
/// Pure and causal: a tick's rates depend on what came before its start and on nothing else. About 7 KB, whatever the
/// demand; work per launch and per tick is bounded.
public struct MarginalDemand: Hashable, Sendable {
    /// VMs that run.
    public private(set) var inUse: Int
    /// VMs that ran at the start of the tick.
    private(set) var base: Int
    private(set) var peak: Int
    /// Ticks that are over.
    public private(set) var ticks = 0

    private var ranks = LaunchRanks()
    /// Launches by bucket of the level that they took; in each lane those its floor did not serve. Of the running tick
    /// once it has had a launch, else of the last.
    private(set) var levelCounts = [SIMD8<UInt16>](repeating: .zero, count: MarginalGrid.levels.count)
    private var isOfLastTick = false
    /// Launches of the running tick above its start, by the smallest floor that would serve them.
    package private(set) var rankCounts = SIMD8<Float>()
    private var launches: Float = 0

    private(set) var rises = LevelRises()
    /// Fading rates by rank, the last tick first, then by scale.
    private(set) var rankRates = [SIMD8<Float>](repeating: .zero, count: 1 + MarginalGrid.scales.count)
    /// Ticks since a launch of each rank.
    private(set) var rankAges = SIMD8<Float>(repeating: -1)
    private(set) var lastLaunches: Float = 0
    private(set) var lastPeak = 0
    private(set) var hourly = FadingMean(MarginalGrid.hour)
    private(set) var daily = FadingMean(MarginalGrid.day)
    private(set) var weekly = FadingMean(MarginalGrid.week)
    private(set) var hourlyUse = FadingMean(MarginalGrid.hour)
    private(set) var dailyUse = FadingMean(MarginalGrid.day)
    private(set) var ages = LevelAges()
    private(set) var hazards = LevelHazards()
    private(set) var spread = RiseSpread()
    private(set) var season = SeasonRing()
    /// Of the season's running slot: the start and the peak.
    private var slotBase: Int
    private var slotPeak: Int

    /// - Parameter inUse: VMs that run already; no launches of theirs are counted.
    public init(inUse: Int = 0) {
        let inUse = max(0, inUse)
        (self.inUse, base, peak, lastPeak) = (inUse, inUse, inUse, inUse)
        (slotBase, slotPeak) = (inUse, inUse)
        ages.push(inUse)
    }

    /// A launch, or several at one instant.
    ///
    /// - Parameters:
    ///   - time: seconds since the start of the tick.
    ///   - each: is told of one or more launches of one rank: how many, the first one's level in VMs, the smallest floor
    ///     that would have served them (``LaunchRanks/servers`` + 1: none).
    package mutating func launch(_ count: Int, at time: Float, lead: Float, each: (Int, Int, Int) -> Void) {
        guard count > 0 else { return }
        forgetLastTick()
        var left = count
        launches += Float(count)
        // Below the start of the tick, what stopped meanwhile is still held: no floor is needed.
        let returning = min(left, max(0, base - inUse))
        if returning > 0 {
            each(returning, inUse + 1, LaunchRanks.servers + 1)
            inUse += returning
            left -= returning
        }
        while left > 0 {
            let rank = ranks.launch(at: time, lead: lead)
            let many = rank > LaunchRanks.servers ? left : 1
            each(many, inUse + 1, rank)
            note(many, from: inUse + 1, rank: rank)
            inUse += many
            left -= many
        }
        peak = max(peak, inUse)
        slotPeak = max(slotPeak, inUse)
    }

    /// Stops; more than run are ignored.
    package mutating func stop(_ count: Int) { inUse = max(0, inUse - max(0, count)) }

    private mutating func forgetLastTick() {
        guard isOfLastTick else { return }
        for bucket in levelCounts.indices { levelCounts[bucket] = .zero }
        isOfLastTick = false
    }

    /// ``levelCounts`` of the running tick, whatever happened in it.
    package var counted: [SIMD8<UInt16>] {
        isOfLastTick ? Array(repeating: .zero, count: levelCounts.count) : levelCounts
    }

    private mutating func note(_ count: Int, from level: Int, rank: Int) {
        let lane = MarginalGrid.lane(ofRank: rank)
        if lane < 8 { rankCounts[lane] += Float(count) }
        // Floors smaller than the rank left it to be served.
        var lanes = SIMD8<UInt16>()
        for place in 0..<min(lane, 8) { lanes[place] = 1 }
        var first = level - base
        let last = first + count - 1
        while first <= last, let bucket = MarginalGrid.bucket(of: first) {
            let end = min(last, Int(MarginalGrid.levels[bucket]))
            let many = UInt16(clamping: end - first + 1)
            levelCounts[bucket] = Self.adding(levelCounts[bucket], lanes &* many)
            first = end + 1
        }
        noteAges(count, from: level, lanes: SIMD8<Float>(lanes))
    }

    private mutating func noteAges(_ count: Int, from level: Int, lanes: SIMD8<Float>) {
        var first = level
        let last = level + count - 1
        for age in 0..<LevelAges.classes where Int(ages.reach[age]) >= first {
            let end = min(last, Int(ages.reach[age]))
            hazards.launch(age: age, lanes: lanes * Float(end - first + 1))
            first = end + 1
            if first > last { return }
        }
    }

    /// Saturating.
    private static func adding(_ a: SIMD8<UInt16>, _ b: SIMD8<UInt16>) -> SIMD8<UInt16> {
        let sum = a &+ b
        return sum.replacing(with: .max, where: sum .< a)
    }

    /// Closes the tick.
    ///
    /// - Parameter length: of the tick, in units of five minutes.
    package mutating func endTick(length: Float) {
        forgetLastTick()
        hazards.endTick(above: base, ages: ages, length: length)
        spread.endTick(rise: peak - base, change: inUse - base, length: length)
        rises.endTick(levelCounts, length: length)
        fadeRanks(length: length)
        hourly.add(launches / length, length: length)
        daily.add(launches / length, length: length)
        weekly.add(launches / length, length: length)
        hourlyUse.add(Float(inUse + base) / 2, length: length)
        dailyUse.add(Float(inUse + base) / 2, length: length)
        ages.push(peak)
        (lastLaunches, lastPeak) = (launches / length, peak)
        ranks.endTick(seconds: length * MarginalGrid.tick)
        ticks += 1
        fillSeason(length: length)
        isOfLastTick = true
        (rankCounts, launches, base, peak) = (.zero, 0, inUse, inUse)
    }

    private mutating func fadeRanks(length: Float) {
        rankRates[0] = rankCounts / length
        for (place, ticks) in MarginalGrid.scales.enumerated() {
            let share = min(1, length / ticks)
            rankRates[place + 1] += share * (rankCounts / length - rankRates[place + 1])
        }
        let isUsed = rankCounts .> 0
        rankAges.replace(with: rankAges + length, where: rankAges .>= 0)
        rankAges.replace(with: length, where: isUsed)
    }

    /// Slots of five minutes that are over.
    private static func due(_ ticks: Int, length: Float) -> Int {
        Int((Double(ticks) * Double(length) + 1e-3).rounded(.down))
    }

    private mutating func fillSeason(length: Float) {
        let due = Self.due(ticks, length: length)
        guard due > season.written else { return }
        while season.written < due { season.push(peak: slotPeak, rise: slotPeak - slotBase) }
        (slotBase, slotPeak) = (inUse, inUse)
    }

    /// Ticks of which nothing is known: time passes, and nothing is learnt from them. Only between two ticks.
    package mutating func skip(_ count: Int, length: Float) {
        guard count > 0 else { return }
        ticks += count
        // Beyond a week only the number grows.
        for _ in 0..<min(count, MarginalGrid.week) { ages.push(inUse) }
        ranks.endTick(seconds: Float(count) * length * MarginalGrid.tick)
        season.push(Self.due(ticks, length: length) - season.written, peak: inUse, rise: 0)
    }

    /// What runs is known again: nobody saw the launches and stops on the way there. Only at the start of a tick.
    package mutating func resume(inUse: Int) {
        let inUse = max(0, inUse)
        (self.inUse, base, peak) = (inUse, inUse, inUse)
        (slotBase, slotPeak) = (inUse, inUse)
    }

    /// Rate by rank in a time scale, 0 for the last tick; launches per five minutes.
    func rankRate(_ place: Int) -> SIMD8<Float> {
        guard place > 0 else { return rankRates[0] }
        let filled = rises.filled[place - 1]
        return filled > 0 ? rankRates[place] / filled : .zero
    }

    /// Launches per hour over a week, per VM in use over a day: what the price of an application is scaled by.
    var liveliness: Float { (weekly.value * 12 + 0.05) / max(1, dailyUse.value) }
    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.inUse, \.base, \.peak, \.ticks, \.lastPeak, \.slotBase, \.slotPeak] {
            coder.code(&self[keyPath: path])
        }
        coder.code(&isOfLastTick)
        for path in [\Self.launches, \.lastLaunches] { coder.code(&self[keyPath: path]) }
        ranks.code(&coder)
        for bucket in levelCounts.indices { for lane in 0..<8 { coder.code(&levelCounts[bucket][lane]) } }
        coder.code(&rankCounts)
        rises.code(&coder)
        for place in rankRates.indices { coder.code(&rankRates[place]) }
        coder.code(&rankAges)
        for path in [\Self.hourly, \.daily, \.weekly, \.hourlyUse, \.dailyUse] { self[keyPath: path].code(&coder) }
        ages.code(&coder)
        hazards.code(&coder)
        spread.code(&coder)
        season.code(&coder)
    }

    /// Whether what was read can have come of launches and stops.
    func isPossible(length: Float) -> Bool {
        [inUse, base, peak, ticks, lastPeak, slotBase, slotPeak].allSatisfy { 0...MarginalBounds.whole ~= $0 }
            && inUse <= peak && base <= peak && inUse <= slotPeak && slotBase <= slotPeak
            && [launches, lastLaunches].allSatisfy(MarginalBounds.isCount)
            && MarginalBounds.isCount(rankCounts) && rankRates.allSatisfy(MarginalBounds.isCount)
            && MarginalBounds.isCount(rankAges + 1)
            && [hourly, daily, weekly, hourlyUse, dailyUse].allSatisfy(\.isPossible)
            && ranks.isPossible && rises.isPossible && ages.isPossible && hazards.isPossible && spread.isPossible
            && season.written == Self.due(ticks, length: length)
    }

    /// Bytes of all of it, arrays included.
    package var bytes: Int {
        MemoryLayout<Self>.size + ranks.bytes + rises.bytes + hazards.bytes + season.bytes + arrayBytes(levelCounts)
            + arrayBytes(rankRates)
    }
}

/// An exponentially weighted mean that begins without a guess.
struct FadingMean: Hashable, Sendable {
    private let ticks: Float
    private var sum: Float = 0
    private var weight: Float = 0

    init(_ ticks: Int) { self.ticks = Float(ticks) }

    mutating func add(_ value: Float, length: Float) {
        let share = min(1, length / ticks)
        sum += share * (value - sum)
        weight += share * (1 - weight)
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&sum)
        coder.code(&weight)
    }

    var isPossible: Bool {
        MarginalBounds.isCount(sum) && MarginalBounds.isCount(value) && 0...1.01 ~= weight && (weight > 0 || sum == 0)
    }

    var value: Float { weight > 0 ? sum / weight : 0 }
}
