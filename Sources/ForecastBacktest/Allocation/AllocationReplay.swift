public import Allocation

/// What one application was told to hold, by tick of the scored time.
public struct AllocationPlan: Sendable {
    public struct Row: Sendable, Hashable {
        public var target: Int
        public var extra: Int
        public init(target: Int, extra: Int) { (self.target, self.extra) = (target, extra) }
    }

    public var application: String
    /// At 0, 300, 600 ... s.
    public var rows: [Row]

    public init(application: String, rows: [Row]) { (self.application, self.rows) = (application, rows) }

    /// As the scorer reads it: rows of every tick.
    public static func csv(_ plans: [AllocationPlan]) -> String {
        var text = "t,app,target,ttl,extra\n"
        for plan in plans {
            for (tick, row) in plan.rows.enumerated() {
                text += "\(tick * Int(EventSet.tick)),\(plan.application),\(row.target),7200,\(row.extra)\n"
            }
        }
        return text
    }
}

/// One application's events, fed tick by tick to the rule at several prices at once.
///
/// It does what ``MarginalAllocator`` does with one price; a test holds them together.
struct AllocationReplay {
    private let application: EventSet.Application
    private let settings = MarginalSettings.standard
    var demand = MarginalDemand()
    private var judges: [MarginalJudge]
    private let policies: [MarginalPolicy]
    private let constants: MarginalConstants?

    /// - Parameter constants: nil: nothing is decided.
    init(_ application: EventSet.Application, policies: [MarginalPolicy], constants: MarginalConstants?) {
        (self.application, self.policies, self.constants) = (application, policies, constants)
        judges = policies.map { _ in MarginalJudge() }
    }

    /// - Parameters:
    ///   - closing: before a tick ends: its first second, and the demand with what was counted in it.
    ///   - decided: at the start of a tick: that second, and the decisions by policy.
    mutating func run(
        closing: (Double, MarginalDemand) -> Void = { _, _ in },
        decided: (Double, [MarginalDecision]) -> Void = { _, _ in }
    ) {
        guard let first = application.events.first else { return }
        var start = (first.time / EventSet.tick).rounded(.down) * EventSet.tick
        // The first event tells what runs already.
        demand = MarginalDemand(inUse: max(0, first.delta))
        var next = 1
        while start < EventSet.end {
            var time: Float = 0
            while next < application.events.count, application.events[next].time < start + EventSet.tick {
                let event = application.events[next]
                let offset = max(time, Float(event.time - start))
                pass(offset - time)
                time = offset
                if event.delta > 0 { launch(event.delta, at: time) } else { demand.stop(-event.delta) }
                next += 1
            }
            pass(Float(settings.tick) - time)
            closing(start, demand)
            demand.endTick(length: settings.length)
            start += EventSet.tick
            if start < EventSet.end, let decisions = decide() { decided(start, decisions) }
        }
    }

    private mutating func launch(_ count: Int, at time: Float) {
        Self.launch(count, at: time, lead: Float(settings.lead), &demand, &judges)
    }

    private static func launch(
        _ count: Int, at time: Float, lead: Float, _ demand: inout MarginalDemand, _ judges: inout [MarginalJudge]
    ) {
        demand.launch(count, at: time, lead: lead) { count, level, rank in
            for index in judges.indices { judges[index].launch(count, level: level, rank: rank) }
        }
    }

    private mutating func pass(_ seconds: Float) {
        for index in judges.indices {
            judges[index].pass(seconds / Float(EventSet.tick), inUse: demand.inUse)
        }
    }

    private mutating func decide() -> [MarginalDecision]? {
        guard let constants, !policies.isEmpty else { return nil }
        let rates = MarginalRates(MarginalFeatures(demand, length: settings.length), constants: constants)
        return policies.indices.map { index in
            judges[index].decide(
                rates, demand: demand, policy: policies[index], leaning: constants.leaning, length: settings.length)
        }
    }

    /// Plans by policy, one row per tick of the scored time.
    mutating func plans() -> [AllocationPlan] {
        let ticks = Int(EventSet.end / EventSet.tick)
        let none = AllocationPlan.Row(target: 0, extra: 0)
        var plans = policies.map { _ in
            AllocationPlan(application: application.id, rows: Array(repeating: none, count: ticks))
        }
        run(decided: { start, decisions in
            guard start >= 0 else { return }
            for (index, decision) in decisions.enumerated() {
                plans[index].rows[Int(start / EventSet.tick)] = AllocationPlan.Row(
                    target: decision.target, extra: decision.extra)
            }
        })
        return plans
    }
}

extension EventSet {
    /// What the rule tells every application to hold, by policy.
    ///
    /// - Parameter constants: by source.
    public func plans(
        _ policies: [MarginalPolicy], constants: (Application) throws -> MarginalConstants
    ) rethrows -> [[AllocationPlan]] {
        var all = policies.map { _ in [AllocationPlan]() }
        for application in applications {
            var replay = AllocationReplay(application, policies: policies, constants: try constants(application))
            for (index, plan) in replay.plans().enumerated() { all[index].append(plan) }
        }
        return all
    }
}
