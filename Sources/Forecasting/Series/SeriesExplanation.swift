/// Why a series is forecast as it is.
public struct SeriesExplanation: Sendable, Hashable {
    /// One expert at one lead. Losses are relative to the experts' mean; weights sum to one over the experts.
    public struct ExpertView: Sendable, Hashable {
        public var expert: Expert
        public var lowWeight: Double
        public var middleWeight: Double
        public var highWeight: Double
        /// Mean relative loss of the quantiles below the median, of the median, and of those above; nil until known.
        public var lowLoss: Double?
        public var middleLoss: Double?
        public var highLoss: Double?
    }

    /// One lead.
    public struct LeadExplanation: Sendable, Hashable {
        /// In samples.
        public var ticks: Int
        /// Typical increment over the lead, in the units of the series.
        public var scale: Double
        public var experts: [ExpertView]
        /// Share of a deviation from the daily profile, from last week and from the half hour's mean that is left.
        public var profilePersistence: Double
        public var weekPersistence: Double
        public var levelPersistence: Double
        /// Factors by which calibration widens the sides at .025, .1, .9, .975.
        public var widening: [Double]
        /// Of forecasts on record over the last days: share inside [.1, .9], mean pinball loss at .1, .5, .9, and that of
        /// the last value with its increments; nil until enough have matured.
        public var coverage80: Double?
        public var loss: Double?
        public var baselineLoss: Double?
        /// Of the first expert: change that is expected, in scales, for one usual change of each leading indicator; empty
        /// where there are none, and for leads beyond an hour.
        public var indicators: [Double]
    }

    public var state: ProfileState
    public var leads: [LeadExplanation]
    /// Weight of the daily profile and of last week at the longest lead, median: how seasonal the series proved to be.
    public var dailyWeight: Double
    public var weeklyWeight: Double
    /// How certain a level shift is under way, 0 ... 1.
    public var shift: Double
    /// Tick at which the season was last brought to a new level; nil if never.
    public var lastShift: Int?
    /// By how much, in the units of the series.
    public var lastShiftSize: Double
    /// How lively the last hour was; forecasts are widened by this factor.
    public var liveliness: Double
}

extension SeriesForecaster {
    /// Every component's present weight and loss.
    public var explanation: SeriesExplanation {
        let views = leads.indices.map { explain($0) }
        func weight(_ expert: Expert) -> Double {
            views.last?.experts.first { $0.expert == expert }?.middleWeight ?? 0
        }
        return SeriesExplanation(
            state: state, leads: views, dailyWeight: weight(.profile), weeklyWeight: weight(.week),
            shift: Double(now.shift), lastShift: anchorTick > 0 ? anchorTick : nil,
            lastShiftSize: Double(anchorSize), liveliness: Double(now.liveliness))
    }

    private func explain(_ index: Int) -> SeriesExplanation.LeadExplanation {
        let state = leads[index]
        let weights = state.weights(prior, lead: index, trust: Self.priorTrust * youth(index))
        func loss(_ sums: ExpertTable, _ expert: Expert, levels: Float) -> Double? {
            state.lossCount > 0 ? Double(sums.lanes[expert.rawValue] / state.lossCount / levels) : nil
        }
        let experts = Expert.allCases.map { expert in
            SeriesExplanation.ExpertView(
                expert: expert, lowWeight: Double(weights.low[expert.rawValue]),
                middleWeight: Double(weights.middle[expert.rawValue]),
                highWeight: Double(weights.high[expert.rawValue]), lowLoss: loss(state.low, expert, levels: 3),
                middleLoss: loss(state.middle, expert, levels: 1), highLoss: loss(state.high, expert, levels: 4))
        }
        let persistence = state.persistence(plan.leads[index])
        let book = leads[index].score
        return SeriesExplanation.LeadExplanation(
            ticks: plan.leads[index].ticks, scale: Double(scale(index)), experts: experts,
            profilePersistence: Double(persistence[0]), weekPersistence: Double(persistence[1]),
            levelPersistence: Double(persistence[2]),
            widening: (0..<4).map { Elementary.exp2(Double(state.widening[$0]) * 1.442_695_040_888_963_4) },
            coverage80: book.mean(book.inside), loss: book.mean(book.own), baselineLoss: book.mean(book.base),
            indicators: (indicators.first?.influences(index) ?? []).map { Double($0) })
    }
}
