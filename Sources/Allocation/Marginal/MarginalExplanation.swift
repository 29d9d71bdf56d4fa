/// What a decision was made from, for people who ask why.
public struct MarginalExplanation: Hashable, Sendable {
    /// Identifiers of one kind that are told apart together.
    public struct Step: Hashable, Sendable {
        /// The last of them: the size of the floor, or the level above the present demand.
        public var last: Int
        /// Launches per five minutes that each of them alone is expected to serve, by the pooled constants.
        public var pooled: Float
        /// The same as the application's own past corrects it.
        public var corrected: Float
    }

    /// Of an identifier that idles for five minutes, in launches served.
    public var price: Float
    public var floors: [Step]
    /// Beside the floor that was chosen.
    public var levels: [Step]
    /// Every expert with its score; the best is followed.
    public var experts: [MarginalExpert]
}

extension MarginalAllocator {
    /// Why the last decision was as it was; asked for before the next launch or stop, it is exactly what was decided
    /// from.
    public func explanation(_ policy: MarginalPolicy, constants: MarginalConstants) -> MarginalExplanation {
        let rates = MarginalRates(MarginalFeatures(demand, length: settings.length), constants: constants)
        return judge.explanation(rates, demand: demand, policy: policy, leaning: constants.leaning)
    }
}

extension MarginalJudge {
    func explanation(
        _ rates: MarginalRates, demand: MarginalDemand, policy: MarginalPolicy, leaning: Float
    ) -> MarginalExplanation {
        let price = Self.price(policy, demand: demand, leaning: leaning)
        let corrected = calibration.corrected(rates, price: price)
        let lane = experts.lane
        return MarginalExplanation(
            price: price,
            floors: (1..<8).map {
                MarginalExplanation.Step(
                    last: Int(MarginalGrid.floors[$0]), pooled: rates.floors[$0], corrected: corrected.floors[$0])
            },
            levels: rates.levels.indices.map {
                MarginalExplanation.Step(
                    last: Int(MarginalGrid.levels[$0]), pooled: rates.levels[$0][lane],
                    corrected: corrected.levels[$0][lane])
            },
            experts: experts.standings)
    }
}
