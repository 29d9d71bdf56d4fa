public import Allocation
public import FleetProtocol
public import NetworkTypes
public import SNISpace

/// How far prediction may act for an application.
public typealias PredictionMode = Allocation.PredictionMode

/// What an operator says about an application.
public struct ApplicationPolicy: Hashable, Sendable, Codable {
    public var priority: PriorityClass
    public var mode: PredictionMode
    /// Free identifiers that are always kept, beyond those in use.
    public var floor: Int
    /// Upper bound on identifiers owned; 0 means none.
    public var cap: Int
    /// Fewer free identifiers than this refill the pool; nil means 2.
    public var lowWatermark: Int?
    /// Refill up to this many; nil means one block.
    public var highWatermark: Int?
    /// Confidence above which a predicted reservation is made; nil means 1 - quantile of the class.
    public var threshold: Double?
    /// Size of the blocks leased to hosts, a power of two 4 ... 256; nil means the installation's default.
    public var blockSize: Int?
    /// Applications whose VMs may exchange packets with this one's; both sides must allow.
    public var allowed: [ApplicationID]
    /// What a launch that finds no identifier costs, in idle hours of one identifier; nil means that of the class.
    public var costRatio: Double?
    public init(
        priority: PriorityClass = .standard, mode: PredictionMode = .stage, floor: Int = 0, cap: Int = 0,
        lowWatermark: Int? = nil, highWatermark: Int? = nil, threshold: Double? = nil, blockSize: Int? = nil,
        allowed: [ApplicationID] = [], costRatio: Double? = nil
    ) {
        self.priority = priority
        self.mode = mode
        self.floor = floor
        self.cap = cap
        self.lowWatermark = lowWatermark
        self.highWatermark = highWatermark
        self.threshold = threshold
        self.blockSize = blockSize
        self.allowed = allowed
        self.costRatio = costRatio
    }
}

/// An application by UUID or name, as a person types it.
public typealias ApplicationReference = String

/// Writes of the unary services.
public enum Command: Hashable, Sendable {
    // Session Manager
    /// `id` nil lets the coordinator choose; repeating the same request with an id returns the same application.
    case createApplication(name: String, policy: ApplicationPolicy, id: ApplicationID?)
    /// `expectedRevision` 0 means any.
    case updateApplication(ApplicationReference, policy: ApplicationPolicy, expectedRevision: UInt64)
    case deleteApplication(ApplicationReference)
    case createSession(ApplicationReference, label: String)
    case endSession(SessionID)
    // Network Manager
    /// `lifetime` nil means the default for its kind; an empty key means none.
    case allocateRange(
        ApplicationReference, count: Int, confidence: Double, idempotencyKey: String, lifetime: Duration?)
    case extendReservation(ReservationID, lifetime: Duration)
    case releaseReservation(ReservationID, reason: String)
    case reclaim(ReclaimTarget, dryRun: Bool, reason: String, force: Bool)
    /// Brings the ranges on their way out of the pool and the thresholds in line with a document of a higher version.
    case applySharding(ShardingConfiguration)
    // Fleet
    /// Ends a freeze; of two rivals, `keep` names the boot or fingerprint of the one that is right.
    case thawHost(HostID, keep: String?)
    /// Takes the leases of a host that does not report, at once with a proof, else when peers and time allow it.
    case fenceHost(HostID, proof: FenceProof, reason: String)
    /// Accepts the machine that was refused last under this name: it adopts the leases when it reports VMs, else the
    /// one in the record is fenced, as proven off.
    case replaceHost(HostID, reason: String)
    /// Moves a VM's identifier to the host that the VM migrates to.
    case migrate(VMInterface, to: HostID)
    /// Ends a migration whose VM has not arrived.
    case abortMigration(VMInterface, reason: String)
    /// After a restore from a backup: goes on without the hosts that have not said what they hold.
    case endRestoration(reason: String)
    // Profiler
    /// What another source than the agents says now, good for `lifetime`; `clockSlot` counts aggregate intervals since
    /// 1970.
    case observe([ExternalSample], clockSlot: Int, lifetime: Duration)
    /// What was learnt elsewhere of an application of which nothing is known.
    case backfill(ApplicationReference, LearntPast)
    /// What the coordinator says that this profiler follows.
    case follow(SampleBatch)
}

public enum ReclaimTarget: Hashable, Sendable {
    /// The block around one identifier.
    case identifier(SessionNetworkID)
    /// Every block that the range touches.
    case range(SNIRange)
    /// Everything an application holds and does not use.
    case application(ApplicationReference)
    /// Everything a host holds and does not use.
    case host(HostID)
}

/// Answers to ``Command``, in the order of its cases.
public enum Reply: Hashable, Sendable {
    case application(ApplicationInfo)
    case session(SessionInfo)
    case range(RangeGrant)
    case reservation(ReservationInfo)
    case reclaim([ReclaimItem])
    case host(HostInfo)
    case check(CheckReport)
    case migration(MigrationInfo)
    /// What changed, and how many identifiers are still owned in ranges that leave the pool.
    case sharding(ShardingDifference, excludingLeft: Int)
    case observed(ExternalOutcome)
    case followed
}

/// Refusals of commands and queries. Every refused command leaves the state as it was, but for what a shortage has asked
/// back from lower classes by then.
public enum CoordinatorError: Error, Hashable, Sendable {
    case unknownApplication(ApplicationReference)
    case unknownSession(SessionID)
    case unknownReservation(ReservationID)
    case unknownHost(HostID)
    /// The pool has no room, with the identifiers still free.
    case exhausted(wanted: Int, free: Int)
    /// Others come first for what is left: higher classes, and equals who have waited longer.
    case awaited(wanted: Int, ahead: Int)
    /// The application's cap (or another's floor) forbids it.
    case quota(cap: Int, owned: Int, wanted: Int)
    /// A stale expected revision, with the one in force.
    case conflict(expected: UInt64, actual: UInt64)
    case outsidePool(SNIRange)
    case duplicateName(String)
    /// The same id or key with another content.
    case duplicate(String)
    /// A field with a value out of its domain, and what would be accepted.
    case invalid(field: String, why: String)
    /// VMs stand in the way.
    case refused(users: [VMInterface])
    /// The application is being deleted.
    case deleting(ApplicationReference)
    /// The store was restored from a backup, and these hosts have not said yet what they hold.
    case restoring(awaited: [HostID])
    /// The sharding document's version is not above the one in force.
    case staleSharding(version: UInt64, inForce: UInt64)
    /// The sharding document has a format that this program does not know.
    case newerSharding(found: Int, supported: Int)
    /// A field of the sharding document is of another pool; it never changes.
    case anotherPool(field: String)
    /// The coordinator has not recovered yet.
    case notReady
}
