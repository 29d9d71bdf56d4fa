/// A sample that was not learnt from; each case says why. Its tick stays unknown, which is not zero.
public enum SampleRejection: Error, Hashable, Sendable {
    /// Not a number, or infinite.
    case notFinite
    case negative(Double)
    /// Above ``SeriesConfiguration/valueMax``.
    case tooLarge(Double)
    /// So many times the largest value of the last week that only a counter can have gone wrong. Such samples are believed
    /// once they have followed one another for an hour.
    case absurdJump(Double)
    /// The tick already has a sample, or a later tick has: duplicates and late samples are not learnt twice.
    case late(tick: Int, newest: Int)
    /// Too far ahead of the newest tick: a clock that went wrong. Up to ``SeriesConfiguration/tickLeapMax`` such samples are
    /// believed once they have followed one another for an hour; less than an hour is no leap, nor is what was told of by
    /// ``SeriesForecaster/skip(to:)``.
    case future(tick: Int, newest: Int)
    /// Ticks are not negative.
    case beforeTime(tick: Int)

    /// A stable word for counting.
    public var reason: String {
        switch self {
        case .notFinite: "not-finite"
        case .negative: "negative"
        case .tooLarge: "too-large"
        case .absurdJump: "absurd-jump"
        case .late: "late"
        case .future: "future"
        case .beforeTime: "before-time"
        }
    }
}

extension SeriesForecaster {
    /// Learns one sample.
    ///
    /// - Parameters:
    ///   - value: in the units of the series, at least zero.
    ///   - tick: number of its interval, best counted from the start of 1970 so that days begin at midnight UTC; ticks in
    ///     between that nobody told of are unknown.
    ///   - indicators: of the same interval, up to five, always the same ones in the same order; empty where they are
    ///     unknown. Those that are negative or not finite count as unknown.
    /// - Throws: ``SampleRejection``, having learnt nothing.
    public mutating func observe(
        _ value: Double, at tick: Int, indicators: [Double] = []
    ) throws(SampleRejection) {
        try observe(value, at: tick, indicators: indicators, isVetted: false)
    }

    /// - Parameter isVetted: whoever made the sample of finer ones has had its doubts already.
    mutating func observe(
        _ value: Double, at tick: Int, indicators: [Double], isVetted: Bool
    ) throws(SampleRejection) {
        guard value.isFinite else { throw .notFinite }
        guard value >= 0 else { throw .negative(value) }
        guard value <= plan.configuration.valueMax else { throw .tooLarge(value) }
        guard tick >= 0 else { throw .beforeTime(tick: tick) }
        // Of a tick that was said to be unknown a sample may still come.
        let told = self.tick
        if samples > 0 {
            guard tick > nowTick else { throw .late(tick: tick, newest: nowTick) }
            guard tick - nowTick <= plan.configuration.tickLeapMax,
                isVetted || doubts.accept(tick, newest: told, span: plan.doubtSpan)
            else { throw .future(tick: tick, newest: nowTick) }
            guard isVetted || doubts.accept(value, at: tick, usual: usualMax, span: plan.doubtSpan) else {
                throw .absurdJump(value)
            }
            bridge(to: tick, value: Float(value))
        }
        self.tick = tick
        watch(indicators)
        step(Float(value), isFilled: false)
        self.tick = max(tick, told)
    }

    /// Above it a sample is absurd.
    var usualMax: Double {
        var top: Float = 1
        for day in 0..<8 { top = max(top, dayMax[day]) }
        return plan.configuration.jumpMax * Double(top)
    }

    private mutating func watch(_ sample: [Double]) {
        guard !sample.isEmpty, sample.allSatisfy(IndicatorRegression.accepts) else { return }
        if indicators.isEmpty { indicators = [IndicatorRegression()] }
        guard indicators[0].count == 0 || sample.count >= indicators[0].count else { return }
        indicators[0].observe(sample.map { Float($0) }, at: tick, plan: plan)
    }

    /// Says that the samples up to `tick` are unknown; forecasts widen with the age of the last known one and are never
    /// drawn towards zero. Ticks too far ahead are ignored, as are known ones. Should a sample of such a tick still come,
    /// it is taken.
    public mutating func skip(to tick: Int) {
        guard samples > 0, tick > self.tick, tick - nowTick <= plan.configuration.tickLeapMax else { return }
        self.tick = tick
    }

    /// The unknown ticks before a sample. Up to a quarter of an hour is interpolated: the season and the longer leads
    /// lose nothing by that. More stays unknown, with work bounded by the nine days after which the rings are empty.
    private mutating func bridge(to end: Int, value: Float) {
        let gap = end - nowTick - 1
        guard gap > 0 else { return }
        let (first, before) = (nowTick, now.value)
        if gap <= max(1, plan.grain) {
            for unknown in first + 1..<end {
                tick = unknown
                step(before + (value - before) * Float(unknown - first) / Float(gap + 1), isFilled: true)
            }
        } else {
            for unknown in max(first + 1, end - 9 * plan.day)..<end {
                tick = unknown
                step(nil, isFilled: false)
            }
        }
    }
}

/// Samples in a row that only a defect upstream explains: they are doubted until there are an hour's worth of them.
struct SampleDoubts: Sendable, Hashable {
    private var absurd: UInt16 = 0
    private var leaps: UInt16 = 0
    private var leapTick: Int32 = 0
    /// Of the last absurd sample: time goes on meanwhile.
    private var absurdTick: Int32 = 0

    /// - Parameters:
    ///   - newest: tick that was told of last.
    ///   - span: in ticks: what is nearer is no leap, and so many in a row are believed.
    mutating func accept(_ tick: Int, newest: Int, span: Int) -> Bool {
        guard tick - max(newest, Int(absurdTick)) > span else {
            leaps = 0
            return true
        }
        let step = tick - Int(leapTick)
        leaps = leaps > 0 && step > 0 && step <= span ? min(leaps, .max - 1) + 1 : 1
        leapTick = Int32(truncatingIfNeeded: tick)
        guard Int(leaps) > span else { return false }
        leaps = 0
        return true
    }

    /// - Parameters:
    ///   - tick: accepted as such.
    ///   - usual: what a sample may be at most.
    ///   - span: so many in a row are believed.
    mutating func accept(_ value: Double, at tick: Int, usual: Double, span: Int) -> Bool {
        guard value > usual else {
            absurd = 0
            return true
        }
        absurd = min(absurd, .max - 1) + 1
        absurdTick = Int32(truncatingIfNeeded: tick)
        guard Int(absurd) > span else { return false }
        absurd = 0
        return true
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&absurd)
        coder.code(&leaps)
        coder.code(&leapTick)
        coder.code(&absurdTick)
    }
}
