/// A sample that was not learnt from; each case says why. Its tick stays unknown, which is not zero.
public enum SampleRejection: Error, Hashable, Sendable {
    /// Not a number, or infinite.
    case notFinite
    case negative(Double)
    /// Above ``SeriesConfiguration/valueMax``.
    case tooLarge(Double)
    /// The tick already has a sample, or a later tick has: duplicates and late samples are not learnt twice.
    case late(tick: Int, newest: Int)
    /// Too far ahead of the newest tick: a clock that went wrong.
    case future(tick: Int, newest: Int)
    /// Ticks are not negative.
    case beforeTime(tick: Int)
}

extension SeriesForecaster {
    /// Learns one sample.
    ///
    /// - Parameters:
    ///   - value: in the units of the series, at least zero.
    ///   - tick: number of its interval, best counted from the start of 1970 so that days begin at midnight UTC; ticks in
    ///     between that nobody told of are unknown.
    /// - Throws: ``SampleRejection``, having changed nothing.
    public mutating func observe(_ value: Double, at tick: Int) throws(SampleRejection) {
        guard value.isFinite else { throw .notFinite }
        guard value >= 0 else { throw .negative(value) }
        guard value <= plan.configuration.valueMax else { throw .tooLarge(value) }
        guard tick >= 0 else { throw .beforeTime(tick: tick) }
        if samples > 0 {
            guard tick > self.tick else { throw .late(tick: tick, newest: self.tick) }
            guard tick - self.tick <= plan.configuration.tickLeapMax else {
                throw .future(tick: tick, newest: self.tick)
            }
            advance(to: tick - 1)
        }
        self.tick = tick
        step(Float(value))
    }

    /// Says that the samples up to `tick` are unknown; forecasts widen with the age of the last known one and are never
    /// drawn towards zero. Ticks too far ahead are ignored, as are known ones.
    public mutating func skip(to tick: Int) {
        guard samples > 0, tick > self.tick, tick - self.tick <= plan.configuration.tickLeapMax else { return }
        advance(to: tick)
    }

    /// Work is bounded by the nine days after which nothing of the rings is left.
    private mutating func advance(to end: Int) {
        let first = max(tick + 1, end - 9 * plan.day)
        guard first <= end else { return }
        for unknown in first...end {
            tick = unknown
            step(nil)
        }
    }
}
