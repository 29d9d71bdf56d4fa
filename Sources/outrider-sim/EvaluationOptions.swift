public import ArgumentParser
public import FleetSimulation

extension EvaluationPlan.Placement: ExpressibleByArgument {}

/// The constants of an evaluation; durations are in seconds.
struct EvaluationOptions: ParsableArguments {
    @Option(help: "Hosts of the fleet.")
    var hosts = 100
    @Option(
        help: "Where launches go: \(EvaluationPlan.Placement.allCases.map(\.rawValue).joined(separator: ", ")).")
    var placement = EvaluationPlan.Placement.spread
    @Option(help: "Everything follows from it.")
    var seed: UInt64 = 1
    @Option(help: "VMs that pack puts on a host.")
    var hostCapacity = Self.base.hostCapacity
    @Option(help: "Identifiers of the installation.")
    var pool = Self.base.pool
    @Option(help: "Time between decisions.")
    var decisionInterval = Self.seconds(Self.base.decisionInterval)
    @Option(help: "Time from a decision until its blocks can serve, as policies plan with it.")
    var leadTime = Self.seconds(Self.base.leadTime)
    @Option(help: "Until the Network Manager has granted what was asked for ahead of demand.")
    var reserveDelay = Self.seconds(Self.base.reserveDelay)
    @Option(help: "Until a host may bind in a block that it asked for, or that it was given.")
    var leaseDelay = Self.seconds(Self.base.leaseDelay)
    @Option(help: "From then until all peers carry the block.")
    var stagingDelay = Self.seconds(Self.base.stagingDelay)
    @Option(help: "From a mark until the owner's point of no return.")
    var drainDelay = Self.seconds(Self.base.drainDelay)
    @Option(help: "From there until owner and peers have removed the block.")
    var removeDelay = Self.seconds(Self.base.removeDelay)
    @Option(help: "Rest of a removed block.")
    var quarantine = Self.seconds(Self.base.quarantine)
    @Option(help: "Rest of an identifier after its VM stopped.")
    var cooldown = Self.seconds(Self.base.cooldown)
    @Option(help: "Messages of one block to one peer's kernel.")
    var kernelMessages = Self.base.kernelMessages
    @Option(help: "The replay begins so long before what is scored.")
    var warmUp = Self.seconds(Self.base.warmUp)
    @Option(help: "What is scored, from time zero of the trace on.")
    var scored = Self.seconds(Self.base.scored)
    @Option(help: "Time between two samples of the profiler.")
    var sampleInterval = Self.seconds(Self.base.sampleInterval)
    @Option(help: "The profiler is shown so much of the past of what is scored.")
    var history = Self.seconds(Self.base.history)

    private static let base = EvaluationPlan(hosts: 1, placement: .spread)
    private static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

    var plan: EvaluationPlan {
        var plan = EvaluationPlan(seed: seed, hosts: hosts, placement: placement)
        (plan.hostCapacity, plan.pool, plan.kernelMessages) = (hostCapacity, pool, kernelMessages)
        plan.decisionInterval = .seconds(decisionInterval)
        plan.leadTime = .seconds(leadTime)
        plan.reserveDelay = .seconds(reserveDelay)
        plan.leaseDelay = .seconds(leaseDelay)
        plan.stagingDelay = .seconds(stagingDelay)
        plan.drainDelay = .seconds(drainDelay)
        plan.removeDelay = .seconds(removeDelay)
        plan.quarantine = .seconds(quarantine)
        plan.cooldown = .seconds(cooldown)
        plan.warmUp = .seconds(warmUp)
        plan.scored = .seconds(scored)
        plan.sampleInterval = .seconds(sampleInterval)
        plan.history = .seconds(history)
        return plan
    }

    func validate() throws {
        guard (1...100_000).contains(hosts) else { throw ValidationError("--hosts \(hosts): must be from 1 to 100000") }
        guard pool >= 4096 else { throw ValidationError("--pool \(pool): must be at least 4096") }
        guard hostCapacity > 0, kernelMessages >= 0 else {
            throw ValidationError("--host-capacity must be positive, --kernel-messages not negative")
        }
        for (name, value) in [
            ("decision-interval", decisionInterval), ("scored", scored), ("sample-interval", sampleInterval),
        ] where !(0.001...1e8).contains(value) {
            throw ValidationError("--\(name) \(value): must be from 0.001 to 1e8 seconds")
        }
        for value in [
            leadTime, reserveDelay, leaseDelay, stagingDelay, drainDelay, removeDelay, quarantine, cooldown, warmUp,
            history,
        ] where !(0...1e8).contains(value) { throw ValidationError("\(value) seconds: must be from 0 to 1e8") }
    }
}
