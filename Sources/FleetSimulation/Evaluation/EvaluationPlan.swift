import NetworkTypes

/// Everything an evaluation depends on besides its trace and its policies. The defaults are the product's.
public struct EvaluationPlan: Hashable, Sendable {
    /// Which host a launch goes to. It is the orchestrator's doing, so no policy has a say in it.
    public enum Placement: String, Hashable, Sendable, CaseIterable {
        /// The host with the fewest VMs of the application, then with the fewest of all.
        case spread
        /// The fullest host with room.
        case pack
        /// Any.
        case random
    }

    public var seed: UInt64
    public var hosts: Int
    public var placement: Placement
    /// VMs that ``Placement/pack`` puts on a host; more where the whole fleet would be full (Kubernetes' default).
    public var hostCapacity = 110
    /// Identifiers of the installation.
    public var pool = SessionNetworkID.spaceSize - 4096
    /// Time between decisions.
    public var decisionInterval = Duration.seconds(60)
    /// Time from a decision until its blocks can serve, as policies plan with it.
    public var leadTime = Duration.seconds(60)
    /// Until the Network Manager has granted what was asked for ahead of demand.
    public var reserveDelay = Duration.seconds(10)
    /// From a host's request for a block, or a decision to lease one, until that host may bind in it.
    public var leaseDelay = Duration.milliseconds(50)
    /// From then until all peers have acknowledged the block.
    public var stagingDelay = Duration.seconds(1)
    /// From a mark until the owner's point of no return.
    public var drainDelay = Duration.milliseconds(50)
    /// From there until owner and peers have removed the block.
    public var removeDelay = Duration.milliseconds(50)
    /// Rest of a removed block before it is free.
    public var quarantine = Duration.seconds(60)
    /// Rest of an identifier in its block after its VM stopped.
    public var cooldown = Duration.seconds(60)
    /// Messages of one block to one peer's kernel: nexthop, route, VNI.
    public var kernelMessages = 3
    /// The replay, and decisions, begin so long before what is scored.
    public var warmUp = Duration.seconds(86_400)
    /// What is scored.
    public var scored = Duration.seconds(4 * 86_400)
    /// Time between two samples of the profiler.
    public var sampleInterval = Duration.seconds(10)
    /// The profiler is shown so much of the past of what is scored.
    public var history = Duration.seconds(8 * 86_400)

    public init(seed: UInt64 = 1, hosts: Int, placement: Placement) {
        self.seed = seed
        self.hosts = hosts
        self.placement = placement
    }

    /// Begin of the replay.
    var start: Instant { Instant(nanoseconds: 0) + .zero - warmUp }
    var end: Instant { Instant(nanoseconds: 0) + scored }
}

extension Instant {
    static func - (lhs: Instant, rhs: Duration) -> Instant { Instant(nanoseconds: lhs.nanoseconds - rhs.inNanoseconds) }
}
