/// How one series is sampled and bounded; shared by all series of one resolution.
public struct SeriesConfiguration: Hashable, Sendable {
    /// Samples of one day, 8 ... 1440: 288 at five minutes.
    public let samplesPerDay: Int
    /// Values above this are rejected as absurd: a counter that went wrong must not become demand.
    public let valueMax: Double
    /// Forecasts never exceed this times the largest value of the last seven days.
    public let growthMax: Double
    /// Samples above this times the largest value of the last week (or one) are absurd until they
    /// have followed one another for an hour.
    public let jumpMax: Double
    /// Ticks that a sample may lie ahead of the last one; more is a clock that went wrong.
    public let tickLeapMax: Int

    /// - Parameter tickLeapMax: nil means sixty days.
    public init(
        samplesPerDay: Int = 288, valueMax: Double = 1e9, growthMax: Double = 10, jumpMax: Double = 1000,
        tickLeapMax: Int? = nil
    ) throws(SeriesConfigurationError) {
        guard (8...1440).contains(samplesPerDay) else { throw .samplesPerDay(samplesPerDay) }
        guard valueMax > 0, valueMax <= 1e12 else { throw .valueMax(valueMax) }
        guard growthMax >= 1, growthMax.isFinite else { throw .growthMax(growthMax) }
        guard jumpMax > 1 else { throw .jumpMax(jumpMax) }
        let leap = tickLeapMax ?? samplesPerDay * 60
        guard leap > 0 else { throw .tickLeapMax(leap) }
        self.samplesPerDay = samplesPerDay
        self.valueMax = valueMax
        self.growthMax = growthMax
        self.jumpMax = jumpMax
        self.tickLeapMax = leap
    }
}

/// A configuration that no series can be built from; each case carries the value that was refused.
public enum SeriesConfigurationError: Error, Hashable, Sendable {
    /// Must lie in 8 ... 1440.
    case samplesPerDay(Int)
    /// Must be positive and at most 1e12.
    case valueMax(Double)
    /// Must be at least 1 and finite.
    case growthMax(Double)
    /// Must be above 1.
    case jumpMax(Double)
    /// Must be positive.
    case tickLeapMax(Int)
}

/// Everything about a resolution that does not change with the data, computed once and shared by its series.
public final class SeriesPlan: Sendable {
    public let configuration: SeriesConfiguration
    /// Nil where nothing is known of it.
    public let calendar: SeriesCalendar?
    /// Samples per day.
    let day: Int
    /// Samples per hour, at least one.
    let hour: Int
    /// Spacing of profile slots and of remembered origins, in samples; divides the day.
    let grain: Int
    /// Samples per bucket of the week: half an hour.
    let bucket: Int
    /// Buckets that are remembered: eight days, and the two that are under way.
    let buckets: Int
    let leads: [LeadPlan]
    /// A shift that has lasted so many samples, an hour and a half, is the new level.
    let anchorSpan: Int
    /// Samples in a row after which what only a defect explains is believed: an hour, and at least eight.
    let doubtSpan: Int
    /// Half an hour, one day, an hour's volatility, two days' volatility: gains of exponential means.
    let fastGain: Float
    let slowGain: Float
    let briskGain: Float
    let calmGain: Float
    /// Of the mean innovation of the profile: half-life two days.
    let innovationGain: Float

    static let leadCount = 10

    /// - Parameter calendar: for ticks that are counted from the start of 1970.
    public init(_ configuration: SeriesConfiguration, calendar: SeriesCalendar? = nil) {
        self.configuration = configuration
        self.calendar = calendar
        let day = configuration.samplesPerDay
        self.day = day
        hour = max(1, day / 24)
        var grain = max(1, day / 96)
        while day % grain != 0 { grain -= 1 }
        self.grain = grain
        bucket = max(1, day / 48)
        buckets = (8 * day + bucket - 1) / bucket + 2
        anchorSpan = max(4, day / 16)
        doubtSpan = max(8, hour)
        fastGain = Self.gain(halfLife: Double(day) / 48)
        slowGain = Self.gain(halfLife: Double(day))
        briskGain = Self.gain(halfLife: Double(day) / 24)
        calmGain = Self.gain(halfLife: Double(day) * 2)
        innovationGain = Self.gain(halfLife: Double(day) * 2 / Double(grain))
        var place = 0
        leads = Self.leadTicks(day: day, hour: hour, grain: grain).map {
            var lead = LeadPlan(ticks: $0, day: day, grain: grain)
            lead.pendingPlace = place
            place += lead.pendingSlots
            return lead
        }
    }

    /// 1 - 2^(-1 / halfLife).
    static func gain(halfLife: Double) -> Float { Float(1 - Elementary.exp2(-1 / halfLife)) }

    /// Geometric from one sample to one day; those above an hour lie on the grain.
    private static func leadTicks(day: Int, hour: Int, grain: Int) -> [Int] {
        let span = Elementary.log2(Double(day))
        let all = (0..<leadCount).map { index in
            let exact = Elementary.exp2(span * Double(index) / Double(leadCount - 1))
            let ticks = Int(exact.rounded())
            guard ticks > min(hour, SeriesForecaster.recentCount - 1) else { return max(1, ticks) }
            return max(grain, Int((Double(ticks) / Double(grain)).rounded()) * grain)
        }
        return Set(all).sorted()
    }
}

/// One followed lead: its stride (how often something matures) and the decays that follow from it.
struct LeadPlan: Sendable {
    let ticks: Int
    let stride: Int
    /// Every so many samples a forecast is put on record to be judged when it matures.
    let issueEvery: Int
    /// ln of ``ticks``.
    let logTicks: Float
    /// 2^(-stride / 10 days), of the scale.
    let scaleDecay: Float
    /// 2^(-stride / 3 days), of the losses.
    let lossDecay: Float
    /// 2^(-issueEvery / 3 days), of the scores of forecasts on record.
    let judgedDecay: Float
    /// 2^(-stride / 4 days), of the persistence.
    let persistenceDecay: Float
    /// 2^(stride / 7 days) and 2^(stride / 2 days): by how much a residual outweighs the one before.
    let longGrowth: Float
    let shortGrowth: Float
    /// Weight of a residual after a halving, so that 16 bits never overflow.
    let longWeight: Float
    let shortWeight: Float
    /// What is left of a deviation while little was seen.
    let persistencePrior: Float

    /// Forecasts under way per lead at most, and of this one.
    private static let pendingMax = 8
    let pendingSlots: Int
    /// Place of the first one among those of all leads.
    fileprivate(set) var pendingPlace = 0
    /// Of the adaptive calibration, falling from 1 to 1/2: forecasts a day ahead overlap, so that one surprise counts often.
    let calibrationRate: Float

    init(ticks: Int, day: Int, grain: Int) {
        self.ticks = ticks
        var stride = max(1, ticks / 24)
        if ticks > grain { stride = max(grain, stride / grain * grain) }
        self.stride = stride
        let spread = (ticks + Self.pendingMax - 1) / Self.pendingMax
        let step = max(2 * grain, spread)
        issueEvery = (step + stride - 1) / stride * stride
        pendingSlots = (ticks + issueEvery - 1) / issueEvery
        logTicks = Float(Elementary.log2(Double(ticks)) * 0.693_147_180_559_945_3)
        calibrationRate = Float(1 / (1 + Elementary.log2(Double(ticks)) / Elementary.log2(Double(day))))
        func power(days: Double) -> Double { Elementary.exp2(Double(stride) / (days * Double(day))) }
        scaleDecay = Float(1 / power(days: 10))
        judgedDecay = Float(Elementary.exp2(-Double(issueEvery) / (3 * Double(day))))
        lossDecay = Float(1 / power(days: 3))
        persistenceDecay = Float(1 / power(days: 4))
        longGrowth = Float(power(days: 7))
        shortGrowth = Float(power(days: 2))
        longWeight = Self.weight(days: 7, stride: stride, day: day)
        shortWeight = Self.weight(days: 2, stride: stride, day: day)
        persistencePrior = Float(Elementary.exp2(-Double(ticks) / (0.3 * Double(day)) * 1.442_695_040_888_963_4))
    }

    /// The largest power of two with which a bin that takes every residual stays below 2^16: the sum of the decayed
    /// weights is half-life / ln 2, and a weight doubles before it is halved.
    private static func weight(days: Double, stride: Int, day: Int) -> Float {
        let sum = days * Double(day) / Double(stride) / 0.693_147 + 2
        var weight = 1.0
        while weight < 256, sum * weight * 4 < 64_000 { weight *= 2 }
        return Float(weight)
    }
}
