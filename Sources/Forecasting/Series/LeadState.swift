/// The experts of a lead, in the order of all their tables.
public enum Expert: Int, CaseIterable, Sendable, Hashable {
    /// The last value, moved by what leading indicators say, with the increments of the last two days.
    case lastRecent
    /// The last value with the increments of the last weeks.
    case last
    /// The daily profile and what is left of the present deviation from it.
    case profile
    /// The same hours a week ago and what is left of the present deviation from them.
    case week
    /// The mean of the last half hour and what is left of the present deviation from it.
    case level

    static let count = allCases.count
}

/// What one lead has learnt, apart from its residuals.
struct LeadState: Sendable, Hashable {
    /// Decayed count and sum of the powers of absolute increments.
    var scaleCount: Float = 0
    var scaleSum: Float = 0
    /// Decayed relative loss by expert: of the lower quantiles, the median, the upper ones.
    var low = ExpertTable()
    var middle = ExpertTable()
    var high = ExpertTable()
    var lossCount: Float = 0
    /// Weight of the next residual of the long and the short histograms, and what rounding left over.
    var longWeight: Float
    var shortWeight: Float
    var longCarry: Float = 0
    var shortCarry: Float = 0
    /// Decayed regression of later on present deviations: profile, week, level.
    var productSum = Triple()
    var squareSum = Triple()
    /// Of forecasts on record.
    var score = SeriesScoreBook()
    /// Logarithms of the widening at .025, .1, .9 and .975.
    var widening: SIMD4<Float>

    static let persistencePriorWeight: Float = 20
    static let scaleMin: Float = 1e-9
    private static let lossFloor: Float = 1e-4

    init(_ plan: LeadPlan) {
        longWeight = plan.longWeight
        shortWeight = plan.shortWeight
        widening = LeadState.wideningStart
    }

    /// ln 1.3 at the outer quantiles.
    static let wideningStart = SIMD4<Float>(0.262_364_3, 0, 0, 0.262_364_3)

    /// Robust mean of absolute increments over the lead; never zero.
    var scale: Float {
        guard scaleCount > 0, scaleSum > 0 else { return Self.scaleMin }
        // The inverse of the power .8 of the sum: x^1.25 = x * x^(1/4).
        let mean = scaleSum / scaleCount
        return max(Self.scaleMin, mean * mean.squareRoot().squareRoot())
    }

    /// Share of a deviation that is left after the lead: profile, week, level.
    func persistence(_ plan: LeadPlan) -> SIMD4<Float> {
        let prior = Self.persistencePriorWeight
        let raw = (productSum.lanes + prior * plan.persistencePrior) / (squareSum.lanes + prior)
        return raw.clamped(lowerBound: SIMD4(), upperBound: SIMD4(repeating: 1))
    }

    /// Weights of the experts for the lower quantiles, the median and the upper ones; each sums to one.
    ///
    /// - Parameter trust: how many matured forecasts the fleet's losses count for.
    func weights(
        _ prior: FleetPrior, lead: Int, trust: Float
    ) -> (low: SIMD8<Float>, middle: SIMD8<Float>, high: SIMD8<Float>) {
        guard trust > 0 else { return (weights(low.lanes), weights(middle.lanes), weights(high.lanes)) }
        var blended = self
        blended.low.lanes += trust * prior.low[lead]
        blended.middle.lanes += trust * prior.middle[lead]
        blended.high.lanes += trust * prior.high[lead]
        blended.lossCount += trust
        return blended.weights(prior, lead: lead, trust: 0)
    }

    private func weights(_ losses: SIMD8<Float>) -> SIMD8<Float> {
        let mean = (lossCount > 0 ? losses / lossCount : SIMD8()) + Self.lossFloor
        var best = mean[0]
        for expert in 1..<Expert.count { best = min(best, mean[expert]) }
        // (mean / best)^-12.
        let ratio = best / mean
        let square = ratio * ratio
        let fourth = square * square
        var weights = fourth * fourth * fourth
        var sum: Float = 0
        for expert in 0..<Expert.count { sum += weights[expert] }
        for expert in Expert.count..<8 { weights[expert] = 0 }
        return weights / sum
    }
}

/// A number per expert, without the padding of its vector.
struct ExpertTable: Sendable, Hashable {
    private var a: Float = 0
    private var b: Float = 0
    private var c: Float = 0
    private var d: Float = 0
    private var e: Float = 0

    var lanes: SIMD8<Float> {
        get { SIMD8(a, b, c, d, e, 0, 0, 0) }
        set { (a, b, c, d, e) = (newValue[0], newValue[1], newValue[2], newValue[3], newValue[4]) }
    }

    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.a, \.b, \.c, \.d, \.e] { coder.code(&self[keyPath: path]) }
    }
}

/// Three numbers without the padding of their vector.
struct Triple: Sendable, Hashable {
    private var a: Float = 0
    private var b: Float = 0
    private var c: Float = 0

    var lanes: SIMD4<Float> {
        get { SIMD4(a, b, c, 0) }
        set { (a, b, c) = (newValue[0], newValue[1], newValue[2]) }
    }

    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.a, \.b, \.c] { coder.code(&self[keyPath: path]) }
    }
}
