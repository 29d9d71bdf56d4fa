/// How well one lead's own past forecasts did, with a memory of about a week.
struct LeadScore: Sendable {
    /// Scored forecasts before a figure is given.
    static let countMin = 10.0
    private var count = 0.0
    private var inside = 0.0
    private var own = 0.0
    private var base = 0.0

    mutating func add(_ forecast: ScoredForecast, outcome: Outcome, decay: Double) {
        // As rough as the forecast was kept: a flat series is inside of what was flat.
        let actual = Double(PackedFloat.unpack(PackedFloat.pack(Float(outcome.concurrent))))
        let isInside = actual >= Double(forecast.low) && actual <= Double(forecast.high)
        func loss(_ low: Float, _ middle: Float, _ high: Float) -> Double {
            (pinball(actual, quantile: Double(low), level: 0.1) + pinball(actual, quantile: Double(middle), level: 0.5)
                + pinball(actual, quantile: Double(high), level: 0.9)) / 3
        }
        count = count * decay + 1
        inside = inside * decay + (isInside ? 1 : 0)
        own = own * decay + loss(forecast.low, forecast.middle, forecast.high)
        base = base * decay + loss(forecast.baseLow, forecast.baseMiddle, forecast.baseHigh)
    }

    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.count, \.inside, \.own, \.base] { coder.code(&self[keyPath: path]) }
    }

    private func mean(_ sum: Double) -> Double? { count >= Self.countMin ? sum / count : nil }
    var coverage80: Double? { mean(inside) }
    var loss: Double? { mean(own) }
    var baselineLoss: Double? { mean(base) }
}

/// How much of a deviation from the daily profile is left after one lead: a decayed, robust regression through the
/// origin, drawn towards an exponential fade while little was seen.
struct Persistence: Sendable {
    private static let priorWeight = 20.0
    private let prior: Double
    private var xy = 0.0
    private var xx = 0.0

    /// - Parameter lead: in days.
    init(lead: Double) { prior = Elementary.exp2(-lead / 0.3 * 1.4427) }

    var value: Double { min(1, max(0, (xy + Self.priorWeight * prior) / (xx + Self.priorWeight))) }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&xy)
        coder.code(&xx)
    }

    mutating func learn(deviation: Double, later: Double, scale: Double, decay: Double) {
        let x = deviation / scale
        let expected = value * x
        let y = min(max(later / scale, expected - 3), expected + 3)
        let weight = abs(x) <= 4 ? 1 : 16 / (x * x)
        xy = xy * decay + weight * x * y
        xx = xx * decay + weight * x * x
    }
}
