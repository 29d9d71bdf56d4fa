public import Forecasting
import NetworkTypes
public import SNISpace

/// One policy on one workload, step by step.
struct EvaluationRun: Sendable {
    let workload: EvaluationWorkload
    let plan: EvaluationPlan
    private(set) var world: EvaluationWorld
    private(set) var policy: any EvaluatedPolicy
    private var next = 0
    private var decision: Instant
    private var sample = Instant(nanoseconds: 0)
    private var routes = RouteTally()

    init(_ workload: EvaluationWorkload, plan: EvaluationPlan, policy: any EvaluatedPolicy) throws(BookError) {
        self.workload = workload
        self.plan = plan
        self.policy = policy
        world = try EvaluationWorld(workload, plan: plan)
        decision = plan.start
        var present: [Int: Int] = [:]
        while next < workload.events.count, workload.events[next].at < plan.start {
            let event = workload.events[next]
            self.policy.observe(event)
            present[event.vm] = event.isLaunch ? next : nil
            next += 1
        }
        for index in present.values.sorted() {
            var event = workload.events[index]
            event.at = plan.start
            _ = try world.launch(event, self.policy)
        }
    }

    /// Everything happens; `look` after every event and every round of decisions.
    mutating func run(
        _ look: (borrowing EvaluationWorld, Instant) throws(BookError) -> Void = { _, _ in }
    ) throws(BookError) -> EvaluationResult {
        while true {
            let due = next < workload.events.count ? workload.events[next].at : plan.end
            while decision <= min(due, plan.end) {
                try decide()
                try look(world, decision)
                decision = decision + plan.decisionInterval
            }
            guard next < workload.events.count, due < plan.end else { break }
            try happen(workload.events[next])
            try look(world, due)
            next += 1
        }
        try world.advance(to: plan.end)
        for application in world.holdings.indices { world.account(application, at: plan.end) }
        return EvaluationResult(policy.name, workload: workload, plan: plan, tallies: world.tallies, routes: routes)
    }

    /// A decision knows what happened before it, and nothing of its own instant.
    private mutating func decide() throws(BookError) {
        try world.advance(to: decision)
        for application in world.holdings.indices {
            let steps = policy.decide(application, world.holdings[application], at: decision)
            try world.perform(steps, of: application, at: decision)
        }
        guard decision >= sample, decision < plan.end else { return }
        sample = decision + .seconds(3600)
        for application in world.holdings.indices { world.sample(application) }
        routes.sample(world.holdings, hosts: plan.hosts)
    }

    private mutating func happen(_ event: EvaluationEvent) throws(BookError) {
        try world.advance(to: event.at)
        if event.isLaunch { _ = try world.launch(event, policy) } else { world.stop(event) }
        policy.observe(event)
        let steps = policy.react(to: event, world.holdings[event.application])
        try world.perform(steps, of: event.application, at: event.at)
    }
}

/// Routes to remote blocks per host, hour by hour.
struct RouteTally: Hashable, Sendable {
    private var sum = 0.0
    private var samples = 0
    private(set) var most = 0
    var mean: Double { samples > 0 ? sum / Double(samples) : 0 }

    mutating func sample(_ holdings: [ApplicationHoldings], hosts: Int) {
        var routes = Array(repeating: 0, count: hosts)
        for own in holdings {
            let all = own.carriers.reduce(0) { $0 + own.blocks[$1].count }
            for host in own.carriers { routes[host] += all - own.blocks[host].count }
        }
        sum += Double(routes.reduce(0, +)) / Double(hosts)
        samples += 1
        most = max(most, routes.max() ?? 0)
    }
}

/// A trace on a fleet, ready for policies.
public struct Evaluation: Sendable {
    public let plan: EvaluationPlan
    let workload: EvaluationWorkload
    private var learnt: [DemandRecorder]?

    public init(_ trace: EventTrace, plan: EvaluationPlan) {
        precondition(plan.hosts > 0, "a fleet without hosts")
        self.plan = plan
        workload = EvaluationWorkload(trace, plan: plan)
    }

    public mutating func run(_ choice: PolicyChoice) throws(EvaluationError) -> EvaluationResult {
        var recorders: [DemandRecorder] = []
        if choice.forecasts {
            if let learnt {
                recorders = learnt
            } else {
                do { recorders = try DemandRecorder.learn(workload, plan: plan) } catch { throw .samples(error) }
                learnt = recorders
            }
        }
        do {
            let policy = choice.policy(for: workload, plan: plan, learnt: recorders)
            var run = try EvaluationRun(workload, plan: plan, policy: policy)
            return try run.run()
        } catch { throw .book(error) }
    }
}

/// Why an evaluation cannot be run.
public enum EvaluationError: Error, Hashable, CustomStringConvertible {
    /// The pool cannot be.
    case book(BookError)
    /// The interval between samples cannot be.
    case samples(SeriesConfigurationError)

    public var description: String {
        switch self {
        case .book(let cause): "\(cause)"
        case .samples(let cause): "\(cause)"
        }
    }
}
