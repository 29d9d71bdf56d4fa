public import FleetProtocol
public import NetworkTypes
import SNISpace

/// What a profiler in another process is told: what changed, and the samples of at most one interval.
public struct SampleBatch: Hashable, Sendable {
    /// As far as a profiler cares.
    public struct Application: Hashable, Sendable {
        public var id: ApplicationID
        public var name: String
        public var priority: PriorityClass
        /// 0 means none.
        public var cap: Int
        public var blockSize: Int
        /// Identifiers.
        public var owned: Int
        /// What a miss costs, in idle hours of one identifier; nil means that of the class.
        public var costRatio: Double?
        public init(
            id: ApplicationID, name: String, priority: PriorityClass, cap: Int, blockSize: Int, owned: Int,
            costRatio: Double? = nil
        ) {
            self.id = id
            self.name = name
            self.priority = priority
            self.cap = cap
            self.blockSize = blockSize
            self.owned = owned
            self.costRatio = costRatio
        }
    }

    /// Number of the interval; where there are no samples, of the last one that comes no more.
    public var slot: Int
    public var interval: Duration
    /// Tells installations apart; see ``CoordinatorMachine/installation``.
    public var installation: UInt64
    /// ``applications`` are all that there are.
    public var isWhole: Bool
    /// New or changed.
    public var applications: [Application]
    public var removed: [ApplicationID]
    /// Further intervals follow at once: what other sources say now is not of this one.
    public var isPast: Bool
    /// Nil when the batch is of no interval; an application without a sample is unknown.
    public var samples: [FleetSample]?
    /// Who talks with whom, most traffic first; nil leaves what was known.
    public var groups: [TalkingGroups]?
    public init(
        slot: Int, interval: Duration, installation: UInt64, isWhole: Bool = false, applications: [Application] = [],
        removed: [ApplicationID] = [], isPast: Bool = false, samples: [FleetSample]? = nil,
        groups: [TalkingGroups]? = nil
    ) {
        self.slot = slot
        self.interval = interval
        self.installation = installation
        self.isWhole = isWhole
        self.applications = applications
        self.removed = removed
        self.isPast = isPast
        self.samples = samples
        self.groups = groups
    }
}

extension CoordinatorMachine {
    /// What ``SampleBatch/applications`` are made of, by id.
    public func applicationsForProfiler() -> [ApplicationID: SampleBatch.Application] {
        state.applications.mapValues { record in
            SampleBatch.Application(
                id: record.id, name: record.name, priority: record.policy.priority, cap: record.policy.cap,
                blockSize: blockSize(of: record.id), owned: state.book.owned(by: record.id),
                costRatio: state.costRatio(of: record.policy))
        }
    }

    /// Tells installations apart, for as long as their store or a backup of it lives. Says nothing of the chunk key that it
    /// comes from: a hash (FNV-1a; Fowler, Noll and Vo) half as long.
    public var installation: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for word in [state.foundation.keyHigh, state.foundation.keyLow] {
            for byte in 0..<8 { hash = (hash ^ (word >> UInt64(8 * byte) & 0xff)) &* 0x100_0000_01b3 }
        }
        return hash
    }

    /// Number of the newest interval.
    public var newestSlot: Int { state.slot }
}
