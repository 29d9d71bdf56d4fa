public import Allocation
public import FleetProtocol
import Forecasting
public import NetworkTypes

/// What a launch that finds no identifier costs, in idle hours of one identifier, by priority class.
public struct CostRatios: Hashable, Sendable {
    public let critical: Double
    public let standard: Double
    public let batch: Double

    /// What the rule reaches on the traces of its development (`docs/allocation.md`): 97, 93 and 89 % of all launches.
    public init() { (critical, standard, batch) = (100, 20, 5) }

    /// - Throws: for a ratio that no policy may have.
    public init(critical: Double, standard: Double, batch: Double) throws(MarginalError) {
        for ratio in [critical, standard, batch] { _ = try MarginalPolicy(costRatio: ratio) }
        (self.critical, self.standard, self.batch) = (critical, standard, batch)
    }

    public subscript(priority: PriorityClass) -> Double {
        switch priority {
        case .critical: critical
        case .standard: standard
        case .batch: batch
        }
    }
}

/// What the rule of marginal value needs to learn an application's past.
public struct MarginalTeaching: Hashable, Sendable {
    let clock: MarginalClock
    let phase: Int
    let policy: MarginalPolicy
}

/// What the rule of marginal value learns, as events change it.
extension FleetState {
    func newMarginal(of id: ApplicationID, before slot: Int) -> MarginalProfile? {
        marginalClock.map { MarginalProfile(after: slot - 1, phase: $0.phase(of: id), clock: $0) }
    }

    mutating func learnMarginal(of id: ApplicationID, _ demand: FleetSample.Demand?, slot: Int) {
        guard let marginalClock, let policy = applications[id]?.policy, let rule = marginalPolicy(policy) else {
            return
        }
        marginals[id]?.observe(demand?.sample, at: slot, clock: marginalClock, policy: rule)
    }

    /// The cost ratio that counts for an application.
    func costRatio(of policy: ApplicationPolicy) -> Double { policy.costRatio ?? costRatios[policy.priority] }

    /// Floors and caps are for who asks: they may change before the next tick.
    private func marginalPolicy(_ policy: ApplicationPolicy) -> MarginalPolicy? {
        try? MarginalPolicy(costRatio: costRatio(of: policy))
    }

    /// Nil where no rule is followed.
    func teaching(of id: ApplicationID) -> MarginalTeaching? {
        guard let marginalClock, let policy = applications[id].flatMap({ marginalPolicy($0.policy) }) else {
            return nil
        }
        return MarginalTeaching(clock: marginalClock, phase: marginalClock.phase(of: id), policy: policy)
    }

    /// Whether the rule's part of a past can be taken as it is.
    func isRestorable(_ bytes: [UInt8], of id: ApplicationID) -> Bool {
        marginalClock.map { clock in
            (try? MarginalProfile(encoded: bytes, phase: clock.phase(of: id), clock: clock)) != nil
        } ?? false
    }

    func marginalAttachment(of id: ApplicationID) -> [CoordinatorSnapshot.Attachment] {
        guard let marginalClock, let profile = marginals[id] else { return [] }
        return [.init(application: id, kind: .marginal, bytes: profile.encoded(clock: marginalClock))]
    }

    /// One of another interval or version is left: the rule starts anew.
    mutating func restoreMarginal(of id: ApplicationID, _ bytes: [UInt8]) {
        guard let marginalClock,
            let profile = try? MarginalProfile(
                encoded: bytes, phase: marginalClock.phase(of: id), clock: marginalClock)
        else { return }
        marginals[id] = profile
    }
}

extension CoordinatorMachine {
    /// What the rule of marginal value says about an application, from what is learnt here, or from what a profiler
    /// elsewhere said lately.
    ///
    /// - Returns: nil before the first tick of five minutes closed, when four ticks closed of which nothing was known, and while
    ///   no profiler speaks.
    public func marginal(of application: ApplicationID, at now: Instant) -> MarginalAdvice? {
        configuration.profiler == .elsewhere
            ? toldProfile(of: application, at: now)?.marginal : learntMarginal(of: application)
    }

    func learntMarginal(of application: ApplicationID) -> MarginalAdvice? {
        guard let clock = state.marginalClock else { return nil }
        return state.marginals[application]?.advice(at: state.slot, clock: clock)
    }
}
