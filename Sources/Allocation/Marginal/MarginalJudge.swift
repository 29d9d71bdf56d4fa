import Forecasting

/// What belongs to one application and one price: how well rates held, and which expert did best.
package struct MarginalJudge: Hashable, Sendable {
    private(set) var experts = MarginalExperts()
    private(set) var calibration = MarginalCalibration()
    /// Liveliness of the typical application.
    private static let typical = 0.36

    package init() {}

    /// Launches of one rank at consecutive levels.
    package mutating func launch(_ count: Int, level: Int, rank: Int) {
        experts.launch(count, level: level, rank: rank)
    }

    /// Time in which nothing changed, in units of five minutes.
    package mutating func pass(_ length: Float, inUse: Int) { experts.pass(length, inUse: inUse) }

    /// Decides for the next tick.
    ///
    /// - Parameters:
    ///   - rates: pooled, for the next tick.
    ///   - demand: just after the end of a tick.
    package mutating func decide(
        _ rates: MarginalRates, demand: MarginalDemand, policy: MarginalPolicy, leaning: Float, length: Float
    ) -> MarginalDecision {
        let price = Self.price(policy, demand: demand, leaning: leaning)
        calibration.endTick(ranks: demand.rankRates[0] * length, levels: demand.levelCounts, length: length)
        let corrected = calibration.corrected(rates, price: price)
        let decision = experts.decide(corrected, price: price, inUse: demand.inUse, length: length)
        calibration.promise(rates, price: price, lane: experts.lane, length: length)
        return policy.bounding(decision)
    }

    mutating func code(_ coder: inout some StateCoder) {
        experts.code(&coder)
        calibration.code(&coder)
    }

    var isPossible: Bool { experts.isPossible && calibration.isPossible }

    /// Of an identifier that idles for five minutes, in launches served.
    static func price(_ policy: MarginalPolicy, demand: MarginalDemand, leaning: Float) -> Float {
        let scale = Elementary.power(Double(demand.liveliness) / typical, Double(leaning))
        return Float(scale / policy.costRatio / 12)
    }
}
