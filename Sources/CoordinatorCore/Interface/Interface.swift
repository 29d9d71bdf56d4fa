public import FleetProtocol
public import Forecasting
public import NetworkTypes

/// Chosen by the shell; names a caller that waits for a reply.
public struct RequestID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Chosen by the shell; names one agent stream. Never reused within a process.
public struct StreamID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Everything that can happen to the coordinator.
public enum CoordinatorInput: Sendable {
    /// An operator's or allocator's write.
    case command(RequestID, Command)
    /// An agent opened a stream; its hello follows as a message.
    case connected(StreamID)
    case message(StreamID, AgentIdentity, AgentMessage)
    case disconnected(StreamID)
    /// What a profiler in another process forecasts for some applications.
    case forecasts([ApplicationID: ToldProfile])
    /// Time passed. The shell ticks at ``CoordinatorMachine/nextDeadline`` or a little later.
    case tick
}

/// What the shell must do, in this order.
public enum CoordinatorEffect: Sendable {
    /// Must be durable before any later effect of the same list is performed. At most one in a list, and first.
    case persist([CoordinatorEvent])
    case send(StreamID, Position, CoordinatorMessage)
    /// Close the stream; the reason goes to the agent as the status message.
    case close(StreamID, reason: String)
    case reply(RequestID, Result<Reply, CoordinatorError>)
    /// For log and metrics only.
    case notice(Notice)
}

/// Something worth a line in the log.
public struct Notice: Hashable, Sendable {
    public enum Level: String, Hashable, Sendable { case info, warning, error }
    public var level: Level
    /// Stable, kebab-case.
    public var code: String
    public var message: String
    public init(_ level: Level, _ code: String, _ message: String) {
        self.level = level
        self.code = code
        self.message = message
    }
}

/// Where the Behavioral Profiler is.
public enum ProfilerPlace: Hashable, Sendable {
    /// In this process, as everything else.
    case here
    /// In another process, or nowhere: nothing is learnt or forgotten here, and where no forecasts come the allocator has
    /// its watermarks.
    case elsewhere
    /// Nothing else is in this process: it follows the samples of a coordinator, and rules nothing.
    case alone
}

/// Settings of an installation. All times are lengths; nothing in the core knows the wall clock.
public struct CoordinatorConfiguration: Hashable, Sendable {
    /// Identifiers this installation may use. Fixed once the store exists.
    public var pool: [SNIRange]
    /// Identifiers of the pool that belong to others. Fixed once the store exists.
    public var excluded: [SNIRange]
    /// Identifiers per chunk, a power of two 256 ... 65,536. Fixed once the store exists.
    public var chunkSize: Int
    /// Default block size, a power of two 4 ... 256.
    public var blockSize: Int
    /// Address prefixes. Fixed once the store exists.
    public var overlay: OverlayPlan
    /// MTU of the overlay, bytes; a host whose underlay carries less than this plus 50 gets no grant.
    public var overlayMTU: Int
    public var vxlanPort: UInt16
    public var aggregateInterval: Duration
    public var decisionInterval: Duration
    /// How long it takes from a decision to a staged block: added to the decision interval when demand is looked up.
    public var leadTime: Duration
    /// Horizons of scaling profiles, ascending.
    public var horizons: [Duration]
    public var cooldown: Duration
    public var quarantine: Duration
    /// Life of a predicted reservation.
    public var reservationLifetime: Duration
    /// Life of a standard (on demand) reservation.
    public var standardLifetime: Duration
    public var bindUntil: Duration
    /// A host silent for this long is unreachable.
    public var unreachableAfter: Duration
    /// A mark without an answer for this long is aborted.
    public var drainTimeout: Duration
    /// Length of the season that demand repeats with; nil means the longest horizon.
    public var dayLength: Duration?
    /// Applications that the profiler follows; the longest idle one beyond is given up.
    public var profilesMax: Int
    /// Of those who use the applications; nil for days of UTC and weeks that are all alike.
    public var calendar: SeriesCalendar?
    public var costRatios: CostRatios
    /// The operator's weights of hosts; others have 1.
    public var hostWeights: [HostID: Double]
    public var profiler: ProfilerPlace
    /// Version of the program, for status.
    public var version: String

    public init(
        pool: [SNIRange] = [SNIRange(unchecked: 4096, count: SessionNetworkID.spaceSize - 4096)],
        excluded: [SNIRange] = [], chunkSize: Int = 4096, blockSize: Int = 16, overlay: OverlayPlan = .standard,
        overlayMTU: Int = 1450, vxlanPort: UInt16 = 4789, aggregateInterval: Duration = .seconds(10),
        decisionInterval: Duration = .seconds(60), leadTime: Duration = .seconds(60),
        horizons: [Duration] = [.seconds(300), .seconds(900), .seconds(3600), .seconds(21_600), .seconds(86_400)],
        cooldown: Duration = .seconds(60), quarantine: Duration = .seconds(60),
        reservationLifetime: Duration = .seconds(86_400), standardLifetime: Duration = .seconds(600),
        bindUntil: Duration = .seconds(86_400), unreachableAfter: Duration = .seconds(30),
        drainTimeout: Duration = .seconds(60), dayLength: Duration? = nil, profilesMax: Int = 131_072,
        calendar: SeriesCalendar? = nil, costRatios: CostRatios = CostRatios(),
        hostWeights: [HostID: Double] = [:], profiler: ProfilerPlace = .here,
        version: String = "dev"
    ) {
        self.pool = pool
        self.excluded = excluded
        self.chunkSize = chunkSize
        self.blockSize = blockSize
        self.overlay = overlay
        self.overlayMTU = overlayMTU
        self.vxlanPort = vxlanPort
        self.aggregateInterval = aggregateInterval
        self.decisionInterval = decisionInterval
        self.leadTime = leadTime
        self.horizons = horizons
        self.cooldown = cooldown
        self.quarantine = quarantine
        self.reservationLifetime = reservationLifetime
        self.standardLifetime = standardLifetime
        self.bindUntil = bindUntil
        self.unreachableAfter = unreachableAfter
        self.drainTimeout = drainTimeout
        self.dayLength = dayLength
        self.profilesMax = profilesMax
        self.calendar = calendar
        self.costRatios = costRatios
        self.hostWeights = hostWeights
        self.profiler = profiler
        self.version = version
    }
}
