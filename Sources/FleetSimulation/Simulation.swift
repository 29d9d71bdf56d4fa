@_spi(Simulation) public import NetworkTypes

/// What came of one run.
public struct RunResult: Sendable {
    public var seed: UInt64
    public var steps: Int
    /// Simulated time, nanoseconds.
    public var time: Int64
    public var violation: Violation?
    public var probes: ProbeCounts
    /// Sum over all that the run logged or would have logged: equal for equal runs.
    public var digest: UInt64
}

/// One run from one seed.
public enum Simulation {
    /// Events of the safety phase unless something else is asked for.
    public static let defaultSteps = 20_000

    /// - Parameters:
    ///   - hosts: number of hosts; nil lets the seed decide.
    ///   - steps: events of the safety phase; the liveness phase comes on top.
    ///   - extra: kinds of faults that come whatever the seed draws.
    ///   - sink: takes the log, one line per event.
    public static func run(
        seed: UInt64, hosts: Int? = nil, steps: Int = defaultSteps, extra: [FaultKind] = [],
        sink: ((String) -> Void)? = nil
    ) -> RunResult {
        run(seed: seed, hosts: hosts, steps: steps, extra: extra, planted: [], sink: sink)
    }

    /// The same with safeguards left out.
    @_spi(Simulation) public static func run(
        seed: UInt64, hosts: Int? = nil, steps: Int = defaultSteps, extra: [FaultKind] = [], planted: PlantedDefects,
        sink: ((String) -> Void)? = nil
    ) -> RunResult {
        let plan = Plan(seed: seed, hosts: hosts, extra: extra)
        var world = World(seed: seed, plan: plan, planted: planted, sink: sink)
        while world.steps < steps, world.step() {}
        if world.violation == nil {
            world.checkInFull()
            world.beginLiveness()
            while world.step() {}
        }
        if world.violation == nil, world.phase != .done { world.violate(7, "nothing is left to happen") }
        return RunResult(
            seed: seed, steps: world.steps, time: world.now, violation: world.violation, probes: world.probes,
            digest: world.digest)
    }
}

extension World {
    /// Depends on everything that the parts of the world have drawn and done.
    var digest: UInt64 {
        var sum = UInt64(truncatingIfNeeded: now) &* 31 &+ UInt64(steps)
        for host in hosts { sum = sum &* 1_000_003 &+ host.kernel.writes &+ host.journal.durableSequence }
        var dice = [
            identityDice, networkDice, diskDice, kernelDice, clientDice, operatorDice, faultDice, holdDice, journeyDice,
        ]
        for index in dice.indices { sum = sum &* 1_000_003 ^ dice[index].next() }
        return sum
    }
}
