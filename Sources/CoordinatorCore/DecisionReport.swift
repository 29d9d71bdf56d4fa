public import Allocation
public import FleetProtocol
import Forecasting
public import NetworkTypes
import SNISpace

/// What became of something that a decision asked for.
public struct DecisionOutcome: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The application has it.
        case given
        /// It was not to be had.
        case refused
        /// The application had it and does not need it.
        case givenBack = "given-back"
        /// A higher class took it.
        case taken
    }
    public var kind: Kind
    /// When, by the machine's clock.
    var at: Instant
    public var text: String
    /// Of a report.
    public internal(set) var age = Duration.zero
}

/// Why an application has what it has.
public struct DecisionExplanationInfo: Hashable, Sendable {
    /// What another priority class would be served up to, all else alike.
    public struct ClassOutlook: Hashable, Sendable {
        public var priority: PriorityClass
        /// Quantile of the peak of demand until the next decision plus lead time; nil when not known.
        public var forecast: Double?
    }
    /// Nil before the first.
    public var decision: DecisionInfo?
    /// Since the decision.
    public var age: Duration
    public var priority: PriorityClass
    /// Identifiers of the pool.
    public var free: Int
    /// Newest last.
    public var outcomes: [DecisionOutcome]
    /// What would change it, in words.
    public var levers: [String]
    /// Highest first.
    public var classes: [ClassOutlook]
    /// What the rule of marginal value says; nil while it says nothing.
    public var marginal: MarginalAdvice?
    /// What a launch that finds no identifier costs, in idle hours of one identifier.
    public var costRatio: Double
}

extension CoordinatorMachine {
    /// Of each application.
    private static let outcomesMax = 16

    mutating func note(_ application: ApplicationID, _ kind: DecisionOutcome.Kind, _ text: String) {
        var known = live.outcomes[application] ?? []
        // What is refused again and again is one refusal, of now.
        known.removeAll { $0.kind == kind && $0.text == text }
        known.append(DecisionOutcome(kind: kind, at: now, text: text))
        live.outcomes[application] = known.suffix(Self.outcomesMax)
    }

    static func refusal(of count: Int, _ error: BookError, freed: Int) -> String {
        let why =
            switch error {
            case .exhausted(_, let free): "the pool has \(free) left, in no run that is large enough"
            case .awaited(_, let ahead):
                "\(ahead) that are free, or come free, are for others who come first: higher classes, and who has waited longer"
            case .quota(let cap, let owned, _): "its cap of \(cap) or the floors of others forbid it, it owns \(owned)"
            default: "\(error)"
            }
        return "\(count) more: \(why)" + (freed > 0 ? "; \(freed) reserved by lower classes were freed for it" : "")
    }

    public func decisionExplanation(
        of reference: ApplicationReference, at now: Instant
    ) throws(CoordinatorError) -> DecisionExplanationInfo {
        let record = try resolve(reference)
        let decision = try decisions(of: record.id.description).first
        let forecast: (any DemandForecast)? = state.series[record.id] ?? told(of: record.id, at: now)
        let lead = configuration.decisionInterval + configuration.leadTime
        return DecisionExplanationInfo(
            decision: decision, age: live.decidedAt.map { now - $0 } ?? .zero, priority: record.policy.priority,
            free: state.book.free,
            outcomes: (live.outcomes[record.id] ?? []).map { outcome in
                var told = outcome
                told.age = now - outcome.at
                return told
            },
            levers: decision.map { levers(record, $0, forecast) } ?? ["no decision was made yet: the next is due soon"],
            classes: [PriorityClass.critical, .standard, .batch].map {
                .init(priority: $0, forecast: forecast?.peakQuantile($0.quantile, lead: lead))
            },
            marginal: marginal(of: record.id, at: now), costRatio: state.costRatio(of: record.policy))
    }

    private func levers(
        _ record: ApplicationRecord, _ decision: DecisionInfo, _ forecast: (any DemandForecast)?
    ) -> [String] {
        var levers: [String] = []
        if record.policy.mode == .observe {
            levers.append("mode is observe, so the forecast adds nothing: set the mode to reserve or stage")
        }
        levers += forecastLevers(record, decision, forecast)
        if record.policy.cap > 0, decision.target > record.policy.cap || decision.owned >= record.policy.cap {
            levers.append("the cap of \(record.policy.cap) holds it back: raise it, or set 0 for none")
        }
        if decision.target > decision.owned, live.outcomes[record.id]?.last?.kind == .refused {
            let lower = record.policy.priority.rank > .lowest ? "" : "; batch takes from nobody: raise the priority"
            levers.append(
                "the pool has \(state.book.free) identifiers left: widen it, or free what others hold\(lower)")
        }
        let releases = live.decisions[record.id]?.releases ?? []
        if !releases.isEmpty {
            let count = releases.reduce(0) { $0 + $1.block.size }
            levers.append("\(count) identifiers are planned to go: a higher floor keeps them")
        }
        return levers
    }

    private func forecastLevers(
        _ record: ApplicationRecord, _ decision: DecisionInfo, _ forecast: (any DemandForecast)?
    ) -> [String] {
        guard let forecast else {
            return ["no forecast comes, so watermarks decide: the profiler is away, or there is none"]
        }
        switch forecast.state {
        case .cold: return ["the profile is cold, so watermarks decide: forecasts count after more samples"]
        case .degraded:
            return ["the forecasts of the last days lost to the baseline, so watermarks decide until they win again"]
        case .learning, .ready: break
        }
        guard let peak = decision.forecast else {
            return ["the lead of a decision has not matured yet, so watermarks decide until it has"]
        }
        guard record.policy.mode != .observe, decision.confidence <= decision.threshold, peak > Double(decision.owned)
        else { return [] }
        return [
            "the forecast asks for more, and is followed above a confidence of \(percent(decision.threshold)) %, now "
                + "\(percent(decision.confidence)) %: a lower threshold or a higher priority follows it sooner"
        ]
    }
}
