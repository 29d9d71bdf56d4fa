/// A sample that was not learnt from; each case says why. Its tick stays unknown, which is not zero.
public enum SampleRejection: Error, Hashable, Sendable {
    /// Not a number, or infinite.
    case notFinite
    case negative(Double)
    /// Above ``SeriesConfiguration/valueMax``.
    case tooLarge(Double)
    /// So many times the largest value of the last week that only a counter can have gone wrong. The third such sample in
    /// a row is believed.
    case absurdJump(Double)
    /// The tick already has a sample, or a later tick has: duplicates and late samples are not learnt twice.
    case late(tick: Int, newest: Int)
    /// Too far ahead of the newest tick: a clock that went wrong.
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
    ///   - indicators: of the same interval, up to three, always the same ones in the same order; empty where they are
    ///     unknown. Those that are negative or not finite count as unknown.
    /// - Throws: ``SampleRejection``, having learnt nothing.
    public mutating func observe(
        _ value: Double, at tick: Int, indicators: [Double] = []
    ) throws(SampleRejection) {
        guard value.isFinite else { throw .notFinite }
        guard value >= 0 else { throw .negative(value) }
        guard value <= plan.configuration.valueMax else { throw .tooLarge(value) }
        guard tick >= 0 else { throw .beforeTime(tick: tick) }
        // Of a tick that was said to be unknown a sample may still come.
        let told = self.tick
        if samples > 0 {
            guard tick > nowTick else { throw .late(tick: tick, newest: nowTick) }
            guard tick - nowTick <= plan.configuration.tickLeapMax else {
                throw .future(tick: tick, newest: nowTick)
            }
            guard !isAbsurd(value) else { throw .absurdJump(value) }
            bridge(to: tick, value: Float(value))
        }
        self.tick = tick
        watch(indicators)
        step(Float(value), isFilled: false)
        self.tick = max(tick, told)
    }

    /// Counts absurd samples in a row, which changes nothing else.
    private mutating func isAbsurd(_ value: Double) -> Bool {
        var top: Float = 1
        for day in 0..<8 { top = max(top, dayMax[day]) }
        guard value > plan.configuration.jumpMax * Double(top) else {
            suspects = 0
            return false
        }
        suspects = min(suspects + 1, 3)
        return suspects < 3
    }

    private mutating func watch(_ sample: [Double]) {
        guard !sample.isEmpty, sample.allSatisfy({ $0.isFinite && $0 >= 0 && $0 < 1e30 }) else { return }
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
