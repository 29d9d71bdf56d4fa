/// The online forecast of one series.
///
/// Experts run side by side for each of ten leads; each keeps a decayed histogram of its own scaled errors, and is
/// weighted by its discounted relative pinball loss at that lead. Work per sample and state are bounded and small, nothing
/// is refitted, nothing random: the same samples give the same bits. The method is described in docs/forecasting.md.
public struct SeriesForecaster: Sendable {
    public let plan: SeriesPlan
    /// What the fleet lends while the series is young.
    public internal(set) var prior: FleetPrior
    /// Known samples seen.
    public internal(set) var samples = 0
    var firstTick = 0
    /// Newest tick that was told of, known or not.
    var tick = -1
    /// The newest known sample and its tick.
    var now = OriginMark()
    var nowTick = 0
    /// Mean of about a day.
    var slow: Float = 0
    var fast: Float = 0
    /// Decayed means of absolute changes^.8 over about an hour and two days.
    var brisk: Float = 0
    var calm: Float = 0
    /// Last four deviations from the profile, newest first, in mean innovations.
    var deviations = SIMD4<Float>()
    var season: SeasonMemory
    var watch = ShiftWatch()
    /// When the season was last anchored, and by how much.
    var anchorTick = 0
    var anchorSize: Float = 0
    /// The last one; nil where there is none that could be taken back.
    var lastAnchor: ShiftWatch.Anchor?
    /// Largest value of each of the last eight days, by day.
    var dayMax = SIMD8<Float>()
    var dayOfMax = 0
    var doubts = SampleDoubts()
    /// The last 16 ticks, and the last day on the grain.
    var recent: [PackedMark]
    var marks: [PackedMark]
    var leads: [LeadState]
    /// None or one: most series have no indicators.
    var indicators: [IndicatorRegression] = []
    /// By lead: the short histogram, then the long ones by expert and side.
    var residuals: [UInt16]
    /// Forecasts on record: by lead, slot and level (.025, .1, .5, .9, .975).
    var pending: [UInt16]

    static let recentCount = 16
    static let histogramsPerLead = 2 * Expert.count - 1
    static let pendingLevels = 5

    /// - Parameter prior: of the same plan; one object for all series.
    public init(plan: SeriesPlan, prior: FleetPrior) {
        self.plan = plan
        self.prior = prior
        season = SeasonMemory(plan)
        recent = Array(repeating: .unknown, count: Self.recentCount)
        marks = Array(repeating: .unknown, count: plan.day / plan.grain + 1)
        leads = plan.leads.map { LeadState($0) }
        let bins = plan.leads.count * Self.histogramsPerLead * ResidualGrid.count
        residuals = Array(repeating: 0, count: bins)
        let slots = plan.leads.reduce(0) { $0 + $1.pendingSlots }
        pending = Array(repeating: PackedFloat.none, count: slots * Self.pendingLevels)
    }

    // MARK: Learning

    /// One tick; nil where the sample is unknown.
    ///
    /// - Parameter isFilled: interpolated, so good for the season and the longer leads only.
    mutating func step(_ sample: Float?, isFilled: Bool) {
        if let value = sample {
            if samples == 0 { firstTick = tick }
            absorb(value, isFilled: isFilled)
        }
        let known = sample == nil ? nil : now
        recent[tick % Self.recentCount] = known.map { PackedMark($0) } ?? .unknown
        if tick % plan.grain == 0 {
            marks[tick / plan.grain % marks.count] = known.map { PackedMark($0) } ?? .unknown
        }
        if known != nil {
            learnLeads(isFilled: isFilled)
            if tick % 3 == 0, !indicators.isEmpty { indicators[0].solve(plan: plan) }
        }
        judge(isFilled ? nil : sample)
        season.addWeek(sample, tick: tick, plan)
        if let value = sample, tick % plan.grain == 0, !watch.isOn {
            season.addProfile(
                value, tick: tick, age: tick - firstTick, isShifted: now.shift > 0, plan)
        }
        if samples > 0 { issue(isKnown: sample != nil && !isFilled) }
    }

    /// Levels, liveliness and shift with a new sample.
    private mutating func absorb(_ value: Float, isFilled: Bool) {
        let age = samples
        if !isFilled { samples += 1 }
        let share = 1 / Float(age + 1)
        fast += max(plan.fastGain, share) * (value - fast)
        slow += max(plan.slowGain, share) * (value - slow)
        fast = Self.snap(fast, value)
        slow = Self.snap(slow, value)
        if age > 0, nowTick == tick - 1, !isFilled, !now.isFilled {
            let change = Float(Elementary.power(Double(abs(value - now.value)), 0.8))
            brisk += plan.briskGain * (change - brisk)
            calm += max(plan.calmGain, share) * (change - calm)
        }
        // ((brisk / calm)^1.25)^.3, the ratio within 1/20 ... 20.
        var liveliness: Float = 1
        if calm > 0 {
            let ratio = min(max(brisk / calm, 0.091_028), 10.985_6)
            let root = ratio.squareRoot().squareRoot()
            liveliness = root * root.squareRoot()
        }
        let shift = shiftState(value)
        now = OriginMark(
            value: value, fast: fast, liveliness: liveliness * (1 + shift), shift: shift,
            isHigh: value > 0 && value >= slow, isFilled: isFilled)
        nowTick = tick
        follow(shift, value)
        let today = tick / plan.day
        if today != dayOfMax {
            for day in max(dayOfMax + 1, today - 7)...today { dayMax[day % 8] = 0 }
            dayOfMax = today
        }
        let slot = today % 8
        dayMax[slot] = max(dayMax[slot], value)
    }

    /// Anchors the season once a shift has lasted; what began before says nothing about the new level.
    private mutating func follow(_ shift: Float, _ value: Float) {
        guard shift >= 0.5, let expected = season.profileValue(at: tick, plan) else {
            watch.end()
            return
        }
        guard let anchor = watch.add(value: value, expected: expected, enough: Float(plan.anchorSpan), last: lastMove)
        else { return }
        // It takes four samples to notice a shift.
        let lag = plan.anchorSpan + 2
        var start = tick - lag
        if takesBack(anchor) {
            // It was an episode: what was learnt before it is restored, and it is remembered as it was.
            start = anchorTick - lag
            lastAnchor = nil
        } else {
            lastAnchor = anchor
        }
        season.anchor(anchor, from: start, at: tick, plan)
        anchorTick = tick
        switch anchor {
        case .scale(let factor):
            let power = Float(Elementary.power(Double(factor), 0.8))
            slow *= factor
            brisk *= power
            calm *= power
            for index in leads.indices { leads[index].scaleSum *= power }
            anchorSize = abs(factor - 1) * value / factor
        case .move(let step):
            slow = max(0, slow + step)
            anchorSize = abs(step)
        }
        deviations = SIMD4()
    }

    /// The last shift, where it was a move that may yet be taken back.
    private var lastMove: Float? {
        guard case .move(let step) = lastAnchor, tick - anchorTick <= 4 * plan.day else { return nil }
        return step
    }

    private func takesBack(_ anchor: ShiftWatch.Anchor) -> Bool {
        guard tick - anchorTick <= 4 * plan.day else { return false }
        switch (lastAnchor, anchor) {
        case (.scale(let before), .scale(let now)): return (0.75...1.333).contains(before * now)
        case (.move(let before), .move(let now)): return now == -before
        default: return false
        }
    }

    /// How certain a level shift is: all of the last four samples far off the profile, to the same side.
    private mutating func shiftState(_ value: Float) -> Float {
        guard tick - firstTick >= 3 * plan.day, let expected = season.profileValue(at: tick, plan) else {
            deviations = SIMD4()
            return 0
        }
        // What last week was like too is no shift (weekends, weekly jobs), unless the profile has left last week behind.
        let lastWeek = lastMove == nil ? season.weekValue(at: plan.counterpart(of: tick), plan) : nil
        let isUsual = lastWeek.map { abs(value - $0) < season.innovation } ?? false
        let off = isUsual ? 0 : (value - expected) / max(season.innovation, 1e-9)
        deviations = SIMD4(off, deviations[0], deviations[1], deviations[2])
        let least = min(min(deviations[0], deviations[1]), min(deviations[2], deviations[3]))
        let most = max(max(deviations[0], deviations[1]), max(deviations[2], deviations[3]))
        let certain = least > 0 ? least : most < 0 ? -most : 0
        return min(max((certain - 5) / 5, 0), 1)
    }

    /// Exponential means come as near as makes no difference, and a flat series must stay flat to the bit.
    static func snap(_ mean: Float, _ value: Float) -> Float {
        abs(mean - value) <= 1e-5 * value ? value : mean
    }

    /// What was known at a tick of the last day; nil where the sample was unknown or is forgotten.
    func mark(at origin: Int) -> OriginMark? {
        guard origin >= firstTick else { return nil }
        if tick - origin < Self.recentCount { return recent[origin % Self.recentCount].mark }
        return marks[origin / plan.grain % marks.count].mark
    }
}
