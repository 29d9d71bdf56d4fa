public import Allocation
import NetworkTypes

/// One churn run: everything follows from these values, nothing from the machine.
public struct ChurnPlan: Hashable, Sendable {
    public var seed: UInt64
    public var days: Int
    public var hosts: Int
    public var applications: Int
    /// Time between two looks at the tables.
    public var sampleInterval: Duration = .seconds(3600)
    /// Time between two looks of the policy at one (application, host).
    public var policyInterval: Duration = .seconds(300)
    public var mix = ChurnMix()
    public var policy = BlockPolicy()
    public var timing = ReclaimTiming()

    public init(seed: UInt64 = 1, days: Int = 30, hosts: Int = 200, applications: Int = 300) {
        self.seed = seed
        self.days = days
        self.hosts = hosts
        self.applications = applications
    }
}

/// What each step of the way back to the free space takes.
public struct ReclaimTiming: Hashable, Sendable {
    /// Rest of an identifier inside its lease.
    public var cooldown: Duration = .seconds(60)
    /// Rest of a removed block.
    public var quarantine: Duration = .seconds(60)
    /// Mean of an exponentially distributed delay of one message, one way.
    public var oneWayMean: Duration = .milliseconds(1)
    /// A host's work for one block: a journal record, synced, and a netlink batch of three messages.
    public var hostWork: Duration = .milliseconds(2)
    /// The coordinator's work for one message, its share of a group commit included.
    public var coordinatorWork: Duration = .microseconds(50)
    /// Share of hosts that cannot be reached, at any time.
    public var unreachableShare = 0.02
    /// Mean length of one outage.
    public var outageMean: Duration = .seconds(1200)
    /// Until a silent host counts as unreachable: what waits for its acknowledgement goes on without it.
    public var detection: Duration = .seconds(15)

    public init() {}
}

/// One (application, host): what routes, leases and demand are counted by.
struct Seat: Hashable, Sendable {
    var application: Int
    var host: Int
}

/// One thing that happens, the same for every scheme.
struct ChurnEvent: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case launch, stop
    }
    var at: Instant
    var kind: Kind
    /// Slot of the VM; used again after its stop.
    var vm: Int
    /// Where it runs.
    var seat: Int
    /// A launch outside the hosts that the application's policy names: no more are expected there.
    var isStray: Bool
}
