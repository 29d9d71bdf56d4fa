public import Forecasting
public import NetworkTypes

/// One application's side of one host at the time of a decision.
public struct HostDemand: Hashable, Sendable {
    public var host: HostID
    /// Bound and held identifiers.
    public var inUse: Int
    public var cooling: Int
    /// Launches that wait for an identifier here.
    public var pending: Int
    /// Exponentially decayed launches (``DecayedCount``).
    public var recentLaunches: Double
    /// Forecast share of the application's coming launches, between 0 and 1; nil when nobody forecasts placement.
    public var forecastShare: Double?
    /// The operator's weight; 1 is ordinary, 0 keeps predicted blocks away.
    public var weight: Double
    /// False for a host that is unreachable, frozen or without a boot grant: what it holds stays, nothing is added.
    public var acceptsLeases: Bool

    public init(
        host: HostID, inUse: Int = 0, cooling: Int = 0, pending: Int = 0, recentLaunches: Double = 0,
        forecastShare: Double? = nil, weight: Double = 1, acceptsLeases: Bool = true
    ) {
        self.host = host
        self.inUse = inUse
        self.cooling = cooling
        self.pending = pending
        self.recentLaunches = recentLaunches
        self.forecastShare = forecastShare
        self.weight = weight
        self.acceptsLeases = acceptsLeases
    }
}

/// One block of an application's ranges, leased or only reserved. Blocks being drained or quarantined are not listed.
public struct OwnedBlock: Hashable, Sendable {
    public var block: SNIBlock
    /// The host that leases it; nil while it is only reserved.
    public var host: HostID?
    /// Bound and held identifiers inside.
    public var inUse: Int
    public var cooling: Int
    /// When the last binding inside ended, or it was leased ahead; nil when not known.
    public var idleSince: Instant?

    public init(block: SNIBlock, host: HostID? = nil, inUse: Int = 0, cooling: Int = 0, idleSince: Instant? = nil) {
        self.block = block
        self.host = host
        self.inUse = inUse
        self.cooling = cooling
        self.idleSince = idleSince
    }
}

/// Everything a decision about one application depends on, apart from its ``AllocationMemory``.
public struct AllocationInput: Sendable {
    public var application: ApplicationID
    public var policy: AllocationPolicy
    public var hosts: [HostDemand]
    public var blocks: [OwnedBlock]
    /// Launches that wait and are not tied to a host.
    public var pendingElsewhere: Int
    /// Nil when the profiler is absent.
    public var forecast: (any DemandForecast)?
    /// Nil without a profiler that knows the application, and where nothing is staged ahead.
    public var outlook: PlacementOutlook?
    /// Identifiers of blocks on their way back to what is reserved.
    public var returning: Int
    /// Some host of the fleet takes leases, whether it is listed or not.
    public var isFleetOpen: Bool

    public init(
        application: ApplicationID, policy: AllocationPolicy, hosts: [HostDemand], blocks: [OwnedBlock],
        pendingElsewhere: Int = 0, forecast: (any DemandForecast)? = nil, outlook: PlacementOutlook? = nil,
        returning: Int = 0, isFleetOpen: Bool? = nil
    ) {
        self.application = application
        self.policy = policy
        self.hosts = hosts
        self.blocks = blocks
        self.pendingElsewhere = pendingElsewhere
        self.forecast = forecast
        self.outlook = outlook
        self.returning = returning
        self.isFleetOpen = isFleetOpen ?? hosts.contains(where: \.acceptsLeases)
    }
}

extension DemandProfile {
    /// ``DemandProfile/observe(_:at:)`` on the clock that the state machines use.
    public mutating func observe(_ sample: DemandSample, at time: Instant) {
        observe(sample, at: .nanoseconds(time.nanoseconds))
    }
    /// ``DemandProfile/gap(at:)`` on the clock that the state machines use.
    public mutating func gap(at time: Instant) { gap(at: .nanoseconds(time.nanoseconds)) }
}
