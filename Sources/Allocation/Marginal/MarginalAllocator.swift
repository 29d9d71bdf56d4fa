import Forecasting

/// How many identifiers one application should hold, by what one more would be worth.
///
/// An identifier is held for the next tick if the launches that it alone is expected to serve are worth more than its
/// idling: expected launches > hours / cost ratio. Two kinds of them compete: the next one of a floor that is refilled
/// whenever a launch takes one, and the next level of VMs in use. The same price for all applications makes the most of
/// what idles in total.
///
/// A value per application; the caller feeds launches and stops in the order of time, and closes ticks. Nothing in it
/// knows the time: offsets count from the start of the tick.
public struct MarginalAllocator: Hashable, Sendable {
    public internal(set) var demand: MarginalDemand
    var judge = MarginalJudge()
    let settings: MarginalSettings
    /// Seconds since the start of the tick.
    var time: Float = 0

    /// - Parameter inUse: VMs that run already.
    public init(inUse: Int = 0, settings: MarginalSettings = .standard) {
        demand = MarginalDemand(inUse: inUse)
        self.settings = settings
    }

    /// One launch or several at one instant.
    ///
    /// - Parameter offset: seconds since the start of the tick; not before the last event, else that counts.
    public mutating func launch(_ count: Int = 1, at offset: Double) {
        pass(to: offset)
        Self.launch(count, at: time, lead: Float(settings.lead), &demand, &judge)
    }

    /// Apart from `self`, so that both can be changed at once.
    private static func launch(
        _ count: Int, at time: Float, lead: Float, _ demand: inout MarginalDemand, _ judge: inout MarginalJudge
    ) {
        demand.launch(count, at: time, lead: lead) { judge.launch($0, level: $1, rank: $2) }
    }

    /// One stop or several at one instant.
    public mutating func stop(_ count: Int = 1, at offset: Double) {
        pass(to: offset)
        demand.stop(count)
    }

    private mutating func pass(to offset: Double) {
        let next = min(max(Float(offset), time), Float(settings.tick))
        judge.pass((next - time) / MarginalGrid.tick, inUse: demand.inUse)
        time = next
    }

    /// Closes the tick and decides for the next one.
    public mutating func endTick(_ policy: MarginalPolicy, constants: MarginalConstants) -> MarginalDecision {
        pass(to: settings.tick)
        time = 0
        demand.endTick(length: settings.length)
        let rates = MarginalRates(MarginalFeatures(demand, length: settings.length), constants: constants)
        return judge.decide(
            rates, demand: demand, policy: policy, leaning: constants.leaning, length: settings.length)
    }

    /// Ticks of which nothing is known: time passes, and nothing is learnt from them. Only between two ticks.
    public mutating func skip(_ ticks: Int) { demand.skip(ticks, length: settings.length) }

    /// What runs is known again after ``skip(_:)``: no launches and stops are counted for what changed meanwhile.
    public mutating func resume(inUse: Int) { demand.resume(inUse: inUse) }

    /// Bytes of the state, arrays included.
    public var bytes: Int { MemoryLayout<Self>.size + demand.bytes - MemoryLayout<MarginalDemand>.size }
}

extension MarginalPolicy {
    /// Within the operator's floor and cap.
    package func bounding(_ decision: MarginalDecision) -> MarginalDecision {
        var bounded = decision
        bounded.extra = max(decision.extra, floor)
        guard let cap else { return bounded }
        bounded.target = min(bounded.target, cap)
        bounded.extra = min(bounded.extra, max(0, cap - decision.inUse))
        return bounded
    }
}
