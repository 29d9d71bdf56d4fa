import Allocation
public import ControlAPI
public import CoordinatorCore
import FleetMapping
import FleetProtocol
import Forecasting
import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_ForecastExplanation {
    public init(_ info: ForecastExplanationInfo) {
        self.init()
        application = info.application.description
        state = Outrider_V1_ProfileState(info.state)
        samples = UInt64(clamping: info.samples)
        rejected = UInt64(clamping: info.rejected)
        usesBaseline = info.usesBaseline
        dailyWeight = info.series.dailyWeight
        weeklyWeight = info.series.weeklyWeight
        shift = info.series.shift
        if let age = info.lastShiftAge {
            lastShiftAgeMs = milliseconds(age)
            lastShiftSize = info.series.lastShiftSize
        }
        liveliness = info.series.liveliness
        indicators = info.indicators
        leads = info.series.leads.map { Outrider_V1_LeadExplanation($0, interval: info.sampleInterval) }
    }
}

extension Outrider_V1_LeadExplanation {
    init(_ lead: SeriesExplanation.LeadExplanation, interval: Duration) {
        self.init()
        leadMs = milliseconds(interval * lead.ticks)
        scale = lead.scale
        experts = lead.experts.map(Outrider_V1_ExpertExplanation.init)
        profilePersistence = lead.profilePersistence
        weekPersistence = lead.weekPersistence
        levelPersistence = lead.levelPersistence
        widening = lead.widening
        coverage80 = lead.coverage80 ?? Outrider_V1_HorizonForecast.unknown
        loss = lead.loss ?? Outrider_V1_HorizonForecast.unknown
        baselineLoss = lead.baselineLoss ?? Outrider_V1_HorizonForecast.unknown
        indicators = lead.indicators
    }
}

extension Outrider_V1_ExpertExplanation {
    init(_ view: SeriesExplanation.ExpertView) {
        self.init()
        expert =
            switch view.expert {
            case .last: "last"
            case .lastRecent: "last-recent"
            case .profile: "profile"
            case .week: "week"
            case .level: "level"
            }
        lowWeight = view.lowWeight
        middleWeight = view.middleWeight
        highWeight = view.highWeight
        lowLoss = view.lowLoss ?? Outrider_V1_HorizonForecast.unknown
        middleLoss = view.middleLoss ?? Outrider_V1_HorizonForecast.unknown
        highLoss = view.highLoss ?? Outrider_V1_HorizonForecast.unknown
    }
}

extension Outrider_V1_DecisionExplanation {
    public init(_ info: DecisionExplanationInfo) {
        self.init()
        if let known = info.decision { decision = Outrider_V1_Decision(known) }
        ageMs = milliseconds(info.age)
        priority = Outrider_V1_PriorityClass(info.priority)
        quantile = info.priority.quantile
        free = UInt32(clamping: info.free)
        outcomes = info.outcomes.map { outcome in
            .with {
                $0.kind = Outrider_V1_OutcomeKind(outcome.kind)
                $0.ageMs = milliseconds(outcome.age)
                $0.text = outcome.text
            }
        }
        levers = info.levers
        classes = info.classes.map { outlook in
            .with {
                $0.priority = Outrider_V1_PriorityClass(outlook.priority)
                $0.quantile = outlook.priority.quantile
                $0.forecast = outlook.forecast ?? Outrider_V1_HorizonForecast.unknown
            }
        }
        if let advice = info.marginal { marginal = Outrider_V1_MarginalAdvice(advice) }
        costRatio = info.costRatio
    }
}

extension Outrider_V1_MarginalAdvice {
    init(_ advice: MarginalAdvice) {
        self.init()
        target = UInt32(clamping: advice.target)
        extra = UInt32(clamping: advice.extra)
        inUse = UInt32(clamping: advice.inUse)
        price = advice.price
        divisor = advice.divisor
        floorMax = UInt32(clamping: advice.floorMax)
        if let rate = advice.floorRate { floorRate = rate }
        if let rate = advice.levelRate { levelRate = rate }
        if let rate = advice.nextRate { nextRate = rate }
    }

    /// Nil for numbers that can be no advice.
    var value: MarginalAdvice? {
        MarginalAdvice(
            target: Int(target), extra: Int(extra), inUse: Int(inUse), price: price, divisor: divisor,
            floorMax: Int(floorMax), floorRate: hasFloorRate ? floorRate : nil,
            levelRate: hasLevelRate ? levelRate : nil, nextRate: hasNextRate ? nextRate : nil)
    }
}

extension Outrider_V1_OutcomeKind {
    init(_ kind: DecisionOutcome.Kind) {
        switch kind {
        case .given: self = .given
        case .refused: self = .refused
        case .givenBack: self = .givenBack
        case .taken: self = .taken
        }
    }
}
