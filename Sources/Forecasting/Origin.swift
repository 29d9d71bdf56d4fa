/// Where a series stands.
struct Moment: Sendable {
    var tick: Int
    var level: Double
    /// Launches since the start, wrapping.
    var launches: UInt32
}

/// What the daily profile says for one origin and lead.
struct SeasonalBase: Sendable {
    var now: Float
    var later: Float
    var peak: Float
    var launches: Float
}

/// A forecast that waits for its outcome: own and baseline's .1, .5, .9 of the level. It waits as ``PackedFloat``.
struct ScoredForecast: Sendable {
    var low: Float
    var middle: Float
    var high: Float
    var baseLow: Float
    var baseMiddle: Float
    var baseHigh: Float
}

/// The start of one forecast, with all that was known then: nothing that came later may enter its judgement. What was
/// not known is not a number: a ring of optionals would be twice as large.
struct Origin: Sendable {
    var level: Float
    var launches: UInt32
    private var baseNow = Float.nan
    private var baseLater = Float.nan
    private var centres = Centres(concurrent: .nan, peak: .nan, launches: .nan)
    private var scored = InlineArray<6, UInt16>(repeating: PackedFloat.none)

    /// A segment that began in the middle of something unknown.
    static let none = Origin(level: .nan, launches: 0, base: nil, season: nil, forecast: nil)
    var isKnown: Bool { !level.isNaN }

    init(level: Float, launches: UInt32, base: SeasonalBase?, season: Centres?, forecast: ScoredForecast?) {
        self.level = level
        self.launches = launches
        if let base { (baseNow, baseLater) = (base.now, base.later) }
        if let season { centres = season }
        guard let forecast else { return }
        scored[0] = PackedFloat.pack(forecast.low)
        scored[1] = PackedFloat.pack(forecast.middle)
        scored[2] = PackedFloat.pack(forecast.high)
        scored[3] = PackedFloat.pack(forecast.baseLow)
        scored[4] = PackedFloat.pack(forecast.baseMiddle)
        scored[5] = PackedFloat.pack(forecast.baseHigh)
    }

    /// The daily profile at the origin and, as seen from there, at its maturity.
    var base: (now: Double, later: Double)? { baseNow.isNaN ? nil : (Double(baseNow), Double(baseLater)) }
    /// Where the seasonal expert centred.
    var season: Centres? { centres.concurrent.isNaN ? nil : centres }
    var forecast: ScoredForecast? {
        guard scored[0] != PackedFloat.none else { return nil }
        return ScoredForecast(
            low: PackedFloat.unpack(scored[0]), middle: PackedFloat.unpack(scored[1]),
            high: PackedFloat.unpack(scored[2]), baseLow: PackedFloat.unpack(scored[3]),
            baseMiddle: PackedFloat.unpack(scored[4]), baseHigh: PackedFloat.unpack(scored[5]))
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&level)
        coder.code(&launches)
        coder.code(&baseNow)
        coder.code(&baseLater)
        coder.code(&centres.concurrent)
        coder.code(&centres.peak)
        coder.code(&centres.launches)
        for place in 0..<6 { coder.code(&scored[place]) }
    }
}

/// The origins under way of one lead, one per segment, and the running peak of each segment.
struct OriginRing: Sendable {
    private struct Segment {
        var origin = Origin.none
        var peak: Float = 0
        var unknown: Int32 = 0
    }
    private var segments: [Segment]
    /// Number of the running segment; negative before the first sample.
    private(set) var segment = -1

    init(slots: Int) { segments = Array(repeating: Segment(), count: slots) }

    mutating func extend(peak: Float, unknown: Int) {
        guard segment >= 0 else { return }
        let slot = segment % segments.count
        segments[slot].peak = max(segments[slot].peak, peak)
        segments[slot].unknown += Int32(clamping: unknown)
    }

    /// The origin whose lead ends where `segment` begins.
    func origin(maturingAt segment: Int) -> Origin? {
        let origin = segments[segment % segments.count].origin
        return self.segment >= 0 && origin.isKnown ? origin : nil
    }

    /// Largest peak and unknown samples over all segments under way.
    var window: (peak: Float, unknown: Int) {
        segments.reduce(into: (0, 0)) { result, segment in
            result.0 = max(result.0, segment.peak)
            result.1 += Int(segment.unknown)
        }
    }

    mutating func code(_ coder: inout some StateCoder) {
        for slot in segments.indices {
            segments[slot].origin.code(&coder)
            coder.code(&segments[slot].peak)
            coder.code(&segments[slot].unknown)
        }
        coder.code(&segment)
    }

    /// Starts a segment; those that were jumped over are unknown.
    mutating func begin(_ origin: Origin, segment next: Int, stride: Int) {
        if segment >= 0 {
            for skipped in (segment + 1)..<max(segment + 1, min(next, segment + 1 + segments.count)) {
                segments[skipped % segments.count] = Segment(origin: .none, peak: 0, unknown: Int32(clamping: stride))
            }
            // A long gap may end inside another turn of the ring: whatever is older than one lead is no origin.
            if next - segment > segments.count {
                for slot in segments.indices { segments[slot].origin = .none }
            }
        }
        segments[next % segments.count] = Segment(origin: origin, peak: origin.level, unknown: 0)
        segment = next
    }
}
