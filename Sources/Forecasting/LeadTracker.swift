/// What a forecast is about.
enum Quantity: Int, CaseIterable {
    case concurrent, peak, launches
}

/// Where an expert centres its distribution; nil when the expert cannot say.
struct Centres: Sendable {
    var concurrent: Float
    var peak: Float
    var launches: Float
    subscript(quantity: Quantity) -> Double {
        switch quantity {
        case .concurrent: Double(concurrent)
        case .peak: Double(peak)
        case .launches: Double(launches)
        }
    }
}

/// What happened between an origin and its maturity; nil where too much of it is unknown.
struct Outcome {
    var concurrent: Double
    var peak: Double?
    var launches: Double?
    subscript(quantity: Quantity) -> Double? {
        switch quantity {
        case .concurrent: concurrent
        case .peak: peak
        case .launches: launches
        }
    }
}

/// One lead of one series: two experts with empirical residuals each, weighted by their own past loss, and the score of
/// what was really forecast.
///
/// Experts: the last value (its residuals are the plain increments: the baseline), and the daily profile plus the
/// present deviation from it, faded by a regression coefficient. Residuals are scaled by the lead's own volatility.
struct LeadTracker: Sendable {
    static let experts = 2
    /// Matured forecasts before the seasonal expert has a say.
    private static let trialCount = 4.0
    private static let scaleMin = 0.25

    let shape: LeadShape
    private let growth: Double
    private let scoreDecay: Double
    private(set) var origins: OriginRing
    private var residuals: ResidualTable
    /// Weight of a new observation; grows, rescaled when large.
    private var weight = 1.0
    private var scaleSum = SIMD4<Double>()
    private var scaleCount = SIMD4<Double>()
    /// Decayed relative loss by quantity and expert (see ``row(_:_:)``), and its weight.
    private var losses = SIMD8<Float>()
    private var lossWeight = 0.0
    private var persistence: Persistence
    private(set) var score = LeadScore()

    init(shape: LeadShape, configuration: ProfileConfiguration) {
        self.shape = shape
        growth = configuration.growth(ticks: shape.stride)
        scoreDecay = 1 / configuration.growth(ticks: shape.stride, halfLife: configuration.dayLength * 3)
        origins = OriginRing(slots: shape.slots)
        residuals = ResidualTable(rows: Quantity.allCases.count * Self.experts)
        persistence = Persistence(lead: Double(shape.ticks) / Double(configuration.ticksPerDay))
    }

    mutating func code(_ coder: inout some StateCoder) {
        origins.code(&coder)
        residuals.code(&coder)
        coder.code(&weight)
        coder.code(&scaleSum)
        coder.code(&scaleCount)
        coder.code(&losses)
        coder.code(&lossWeight)
        persistence.code(&coder)
        score.code(&coder)
    }

    /// Decayed number of matured origins.
    var matured: Double { residuals.count(Self.row(.concurrent, 0), weight: weight) }

    private static func row(_ quantity: Quantity, _ expert: Int) -> Int { quantity.rawValue * experts + expert }

    // MARK: Learning

    /// Within the running segment.
    mutating func extend(peak: Double, unknown: Int) { origins.extend(peak: Float(peak), unknown: unknown) }

    /// A boundary between segments: what began one lead ago matures, a new origin begins.
    mutating func turn(segment: Int, now: Moment, season: SeasonalProfile) {
        let crossed = origins.segment < 0 ? 1 : segment - origins.segment
        if crossed == 1, let origin = origins.origin(maturingAt: segment) {
            learn(from: origin, outcome: outcome(of: origin, now: now))
        }
        let base = seasonalBase(now, season: season)
        let centres = base.map { seasonalCentres(now, base: $0) }
        let next = Origin(
            level: Float(now.level), launches: now.launches, base: base, season: centres,
            forecast: matured >= 1 ? forecastToScore(now, last: Self.lastValue(now), season: centres) : nil)
        origins.begin(next, segment: segment, stride: shape.stride)
    }

    private func outcome(of origin: Origin, now: Moment) -> Outcome {
        let window = origins.window
        let isKnown = window.unknown <= shape.ticks / 8
        return Outcome(
            concurrent: now.level, peak: isKnown ? max(Double(window.peak), Double(origin.level), now.level) : nil,
            launches: isKnown ? Double(now.launches &- origin.launches) : nil)
    }

    private mutating func learn(from origin: Origin, outcome: Outcome) {
        weight *= growth
        let level = Double(origin.level)
        if let forecast = origin.forecast { score.add(forecast, outcome: outcome, decay: scoreDecay) }
        let last = Centres(concurrent: origin.level, peak: origin.level, launches: 0)
        for quantity in Quantity.allCases {
            guard let actual = outcome[quantity] else { continue }
            updateScale(quantity, error: abs(actual - last[quantity]))
            let scale = scale(quantity)
            compare(quantity, actual: actual, scale: scale, last: last, season: origin.season)
            add(actual - last[quantity], scale: scale, quantity: quantity, expert: 0)
            if let season = origin.season {
                add(actual - season[quantity], scale: scale, quantity: quantity, expert: 1)
            }
        }
        lossWeight = lossWeight * scoreDecay + (origin.season == nil ? 0 : 1)
        if let base = origin.base {
            persistence.learn(
                deviation: level - base.now, later: outcome.concurrent - base.later,
                scale: scale(.concurrent), decay: scoreDecay)
        }
        if weight > 0x1p20 {
            residuals.rescale(by: 0x1p-20)
            weight *= 0x1p-20
        }
    }

    private mutating func add(_ residual: Double, scale: Double, quantity: Quantity, expert: Int) {
        residuals.add(residual / scale, row: Self.row(quantity, expert), weight: weight)
    }

    /// A mean of power .8 with clipped errors: one level shift must not widen every interval for weeks.
    private mutating func updateScale(_ quantity: Quantity, error: Double) {
        let index = quantity.rawValue
        let clipped = scaleCount[index] > 20 ? min(error, 20 * scale(quantity)) : error
        let decay = 1 / growth
        scaleCount[index] = scaleCount[index] * decay + 1
        scaleSum[index] = scaleSum[index] * decay + Elementary.power(clipped, 0.8)
    }

    private func scale(_ quantity: Quantity) -> Double {
        let index = quantity.rawValue
        guard scaleCount[index] > 0 else { return Self.scaleMin }
        return max(Self.scaleMin, Elementary.power(scaleSum[index] / scaleCount[index], 1.25))
    }

    /// Losses relative to the experts' mean of the same moment, so that each moment has one vote.
    private mutating func compare(
        _ quantity: Quantity, actual: Double, scale: Double, last: Centres, season: Centres?
    ) {
        guard let season,
            let lastLoss = loss(actual, row: Self.row(quantity, 0), centre: last[quantity], scale: scale),
            let seasonLoss = loss(actual, row: Self.row(quantity, 1), centre: season[quantity], scale: scale)
        else { return }
        let mean = (lastLoss + seasonLoss) / 2
        guard mean > 0 else { return }
        for (expert, loss) in [lastLoss, seasonLoss].enumerated() {
            let row = Self.row(quantity, expert)
            losses[row] = losses[row] * Float(scoreDecay) + Float(loss / mean)
        }
    }

    /// Sum of the pinball losses of one expert's quantiles; nil before it has any.
    private func loss(_ actual: Double, row: Int, centre: Double, scale: Double) -> Double? {
        guard var cursor = residuals.cursor(row, weight: weight) else { return nil }
        var sum = 0.0
        for level in Quantile.levels {
            let quantile = max(0, centre + scale * cursor.advance(to: level))
            sum += pinball(actual, quantile: quantile, level: level)
        }
        return sum
    }

    // MARK: Forecasting

    private static func lastValue(_ now: Moment) -> Centres {
        Centres(concurrent: Float(now.level), peak: Float(now.level), launches: 0)
    }

    private func seasonalBase(_ now: Moment, season: SeasonalProfile) -> SeasonalBase? {
        guard season.isComplete else { return nil }
        let end = now.tick + shape.ticks
        return SeasonalBase(
            now: Float(season.level(at: now.tick)), later: Float(season.level(at: end)),
            peak: Float(season.peak(from: now.tick, to: end)),
            launches: Float(season.launches(from: now.tick, to: end)))
    }

    private func seasonalCentres(_ now: Moment, base: SeasonalBase) -> Centres {
        let deviation = Float(persistence.value * (now.level - Double(base.now)))
        return Centres(
            concurrent: max(0, base.later + deviation), peak: max(Float(now.level), base.peak + deviation),
            launches: base.launches)
    }

    /// Both experts' centres from now; computed once per query.
    func centres(_ now: Moment, season: SeasonalProfile) -> (last: Centres, season: Centres?) {
        (Self.lastValue(now), seasonalBase(now, season: season).map { seasonalCentres(now, base: $0) })
    }

    /// Share of the seasonal expert: the eighth power of the relative losses lets the clearly better one win.
    private func seasonalShare(_ quantity: Quantity) -> Double {
        guard lossWeight >= Self.trialCount else { return 0 }
        let last = Double(losses[Self.row(quantity, 0)]) + 1e-4
        let season = Double(losses[Self.row(quantity, 1)]) + 1e-4
        let ratio = min(last / season, 1e3)
        let square = ratio * ratio
        let eighth = square * square * square * square
        return eighth / (1 + eighth)
    }

    /// Peaks and sums of overlapping windows repeat one another, levels hardly do.
    private func overlap(_ quantity: Quantity) -> Double {
        quantity == .concurrent ? 1 : max(1, Double(shape.slots) / 3)
    }

    /// A quantile at exactly this lead; nil before anything matured.
    func quantile(
        _ quantity: Quantity, _ level: Double, now: Moment, centres: (last: Centres, season: Centres?)
    ) -> Double? {
        let scale = scale(quantity)
        let overlap = overlap(quantity)
        guard let plain = residuals.quantile(level, row: Self.row(quantity, 0), weight: weight, overlap: overlap)
        else { return nil }
        var value = max(0, centres.last[quantity] + scale * plain)
        let share = seasonalShare(quantity)
        if share > 0, let season = centres.season,
            let z = residuals.quantile(level, row: Self.row(quantity, 1), weight: weight, overlap: overlap)
        {
            value += share * (max(0, season[quantity] + scale * z) - value)
        }
        return quantity == .peak ? max(value, now.level) : value
    }

    /// The same by the baseline alone.
    private func baseline(_ level: Double, last: Centres) -> Double {
        let z = residuals.quantile(level, row: Self.row(.concurrent, 0), weight: weight) ?? 0
        return max(0, last[.concurrent] + scale(.concurrent) * z)
    }

    private func forecastToScore(_ now: Moment, last: Centres, season: Centres?) -> ScoredForecast? {
        let centres = (last: last, season: season)
        func own(_ level: Double) -> Float? {
            quantile(.concurrent, level, now: now, centres: centres).map { Float($0) }
        }
        guard let low = own(0.1), let middle = own(0.5), let high = own(0.9) else { return nil }
        return ScoredForecast(
            low: low, middle: middle, high: high, baseLow: Float(baseline(0.1, last: last)),
            baseMiddle: Float(baseline(0.5, last: last)), baseHigh: Float(baseline(0.9, last: last)))
    }
}

/// Loss of one quantile forecast (Koenker and Bassett 1978).
func pinball(_ actual: Double, quantile: Double, level: Double) -> Double {
    actual >= quantile ? level * (actual - quantile) : (1 - level) * (quantile - actual)
}
