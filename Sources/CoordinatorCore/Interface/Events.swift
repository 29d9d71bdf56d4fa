public import FleetProtocol
public import NetworkTypes
public import SNISpace

/// What the store keeps. Replaying all events in order rebuilds the machine; ``CoordinatorMachine/replay(_:)`` only
/// applies and never decides.
public enum CoordinatorEvent: Hashable, Sendable, Codable {
    /// First event of a store: what may never change.
    case founded(Foundation)
    /// A coordinator took over.
    case termStarted(UInt64)
    case book(BookEvent)
    /// The document whose changes of the book stand before this event.
    case shardingApplied(version: UInt64, thresholds: TemperatureThresholds)
    case applicationCreated(ApplicationID, name: String, policy: ApplicationPolicy, revision: UInt64)
    case applicationUpdated(ApplicationID, policy: ApplicationPolicy, revision: UInt64)
    case applicationDeleting(ApplicationID, revision: UInt64)
    case applicationDeleted(ApplicationID)
    case sessionCreated(SessionID, application: ApplicationID, label: String)
    case sessionEnded(SessionID)
    /// A host got its boot grant.
    case hostGranted(HostRecord)
    /// What keeps a host from being like any other.
    case host(HostID, SafetyEvent)
    /// The store is older than what it ruled: agents discard what they knew of positions.
    case generationRaised(UInt64)
    case restoration(RestorationEvent)
    case migration(MigrationEvent)
    /// A host's bindings changed; `whole` replaces all that was known of it.
    case bindings(HostID, journalSequence: UInt64, records: [BindingRecord], whole: Bool)
    /// Aggregates of a host and boot up to `sequence` are counted.
    case aggregated(HostID, sequence: UInt64, slot: Int, launches: [LaunchTally])
    /// The fleet-wide samples of one aggregate interval, folded from all hosts; `slot` counts the intervals.
    case sampled(slot: Int, [FleetSample])
    /// An application's past from another source: its forecaster, its history and what the rule of marginal value knows, in
    /// Base64, up to `slot`; the last is absent from events of older versions.
    case backfilled(ApplicationID, slot: Int, forecaster: String, history: String, marginal: String?)
    /// A profiler alone learns of this installation, and of no other; its count of intervals is `offset` ahead of that one's.
    case followed(installation: UInt64, offset: Int)
    /// What the applications taught so far is what young ones borrow from here on.
    case priorRenewed
    /// More applications than are followed: what was learnt of these, the longest idle, is given up.
    case profilesEvicted([ApplicationID])
}

/// What an installation may never change.
public struct Foundation: Hashable, Sendable, Codable {
    public var chunkOrder: Int
    public var pool: [SNIRange]
    public var excluded: [SNIRange]
    /// Key of the chunk order, 128 bits.
    public var keyHigh: UInt64
    public var keyLow: UInt64
    /// Overlay prefixes in text form.
    public var overlayIPv4: String
    public var overlayIPv6: String
    public init(
        chunkOrder: Int, pool: [SNIRange], excluded: [SNIRange], keyHigh: UInt64, keyLow: UInt64, overlayIPv4: String,
        overlayIPv6: String
    ) {
        self.chunkOrder = chunkOrder
        self.pool = pool
        self.excluded = excluded
        self.keyHigh = keyHigh
        self.keyLow = keyLow
        self.overlayIPv4 = overlayIPv4
        self.overlayIPv6 = overlayIPv6
    }
}

/// The durable part of a host.
public struct HostRecord: Hashable, Sendable, Codable {
    public var id: HostID
    public var vtep: IPAddress
    public var incarnation: Incarnation
    public var boot: BootID
    public var fingerprint: String
    public var version: String
    /// Journal sequence that the coordinator has acknowledged.
    public var journalSequence: UInt64
    /// Last aggregate counted in this boot.
    public var aggregateSequence: UInt64
    /// What leads from an aggregate's sequence to its slot; nil before the first of a boot.
    public var slotOffset: Int?
    /// The endpoint that it still sends from, while its peers move to ``vtep``; nil when there is none.
    public var former: IPAddress?
    public init(
        id: HostID, vtep: IPAddress, incarnation: Incarnation, boot: BootID, fingerprint: String, version: String,
        journalSequence: UInt64, aggregateSequence: UInt64, slotOffset: Int? = nil, former: IPAddress? = nil
    ) {
        self.id = id
        self.vtep = vtep
        self.incarnation = incarnation
        self.boot = boot
        self.fingerprint = fingerprint
        self.version = version
        self.journalSequence = journalSequence
        self.aggregateSequence = aggregateSequence
        self.slotOffset = slotOffset
        self.former = former
    }
}

/// Launches of one application on one host in one interval.
public struct LaunchTally: Hashable, Sendable, Codable {
    public var application: ApplicationID
    public var launches: Int
    /// VMs at its end on interfaces that another system manages; nil when there were none.
    public var observed: Int?
    public init(application: ApplicationID, launches: Int, observed: Int? = nil) {
        self.application = application
        self.launches = launches
        self.observed = observed
    }
}

/// One application in one interval over all hosts. Unknown is not zero.
public struct FleetSample: Hashable, Sendable, Codable {
    public var application: ApplicationID
    /// Nil when a host that matters did not report.
    public var demand: Demand?
    /// Told by another source than the agents; nil when it was not.
    public var external: Bool?

    /// Sums over the hosts.
    public struct Demand: Hashable, Sendable, Codable {
        public var vms: Int
        public var peak: Int
        public var launches: Int
        public var stops: Int
        /// Nil unless every host with VMs of the application told all of it.
        public var load: Load?
        /// Nil when nothing of it is known.
        public var usage: Usage?
        public init(
            vms: Int = 0, peak: Int = 0, launches: Int = 0, stops: Int = 0, load: Load? = nil, usage: Usage? = nil
        ) {
            self.vms = vms
            self.peak = peak
            self.launches = launches
            self.stops = stops
            self.load = load
            self.usage = usage
        }
    }

    /// What may foretell VMs.
    public struct Load: Hashable, Sendable, Codable {
        /// CPU time, seconds.
        public var cpu: Double
        /// Received and sent by the VMs' ports.
        public var bytes: UInt64
        /// Launches that found no leased identifier.
        public var misses: Int
        public init(cpu: Double, bytes: UInt64, misses: Int) {
            self.cpu = cpu
            self.bytes = bytes
            self.misses = misses
        }

        /// Those of ``FleetSample/Demand/indicators``.
        static let indicatorNames = ["cpu", "traffic", "misses", "memory", "peers"]
    }

    public init(application: ApplicationID, demand: Demand?, external: Bool? = nil) {
        self.application = application
        self.demand = demand
        self.external = external
    }
}
