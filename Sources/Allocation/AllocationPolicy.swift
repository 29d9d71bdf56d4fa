public import FleetProtocol

/// How far prediction may act for an application.
public enum PredictionMode: String, Sendable, Codable, CaseIterable {
    /// Forecast and show; do nothing beyond the watermark rule.
    case observe
    /// Reserve ranges ahead of demand; lease nothing ahead.
    case reserve
    /// Reserve, lease to hosts and stage in the kernels of peers.
    case stage
}

/// What an operator says about one application.
public struct AllocationPolicy: Hashable, Sendable, Codable {
    public var priority: PriorityClass
    public var mode: PredictionMode
    /// Free identifiers always kept, beyond those in use, cooling and pending.
    public var floor: Int
    /// Upper bound on identifiers owned; nil means none.
    public var cap: Int?
    /// Fewer free identifiers than this on an active host refill it; nil: two where nothing is foretold, and what is
    /// foretold elsewhere.
    public var lowWatermark: Int?
    /// Refill up to this many free identifiers; nil means one block.
    public var highWatermark: Int?
    /// Confidence above which a predicted reservation is made; nil means `1 - q` of the class.
    public var threshold: Double?

    public init(
        priority: PriorityClass = .standard, mode: PredictionMode = .stage, floor: Int = 0, cap: Int? = nil,
        lowWatermark: Int? = nil, highWatermark: Int? = nil, threshold: Double? = nil
    ) {
        self.priority = priority
        self.mode = mode
        self.floor = floor
        self.cap = cap
        self.lowWatermark = lowWatermark
        self.highWatermark = highWatermark
        self.threshold = threshold
    }

    /// The low watermark of the rule that foretells nothing.
    var plainLowWatermark: Int { lowWatermark ?? Self.lowWatermarkDefault }
    public static let lowWatermarkDefault = 2
    /// The threshold in force.
    public var effectiveThreshold: Double { threshold ?? 1 - priority.quantile }
}

/// Settings of the installation that every decision shares.
public struct AllocationSettings: Hashable, Sendable {
    /// Identifiers per leased block, a power of two.
    public var blockSize: Int
    /// The operator set the size for this application; else blocks are as large as what is expected on a host.
    public var isBlockSizeFixed = false
    /// Time between decisions.
    public var decisionInterval: Duration
    /// Time from a decision until its blocks can serve: reserve, lease, stage at all peers.
    public var leadTime: Duration
    /// The same as measured; what is longer than `leadTime` counts as that.
    public var measuredLead: Duration?
    /// Nothing is released that the forecast asks back within this time.
    public var releaseHorizon: Duration
    /// A surplus must last this long before anything is released.
    public var releaseHold: Duration
    /// Life of a predicted reservation.
    public var reservationLifetime: Duration
    /// Life of a standard reservation.
    public var standardLifetime: Duration

    public init(
        blockSize: Int = 16, decisionInterval: Duration = .seconds(60), leadTime: Duration = .seconds(10),
        releaseHorizon: Duration = .seconds(3600), releaseHold: Duration = .seconds(600),
        reservationLifetime: Duration = .seconds(86_400), standardLifetime: Duration = .seconds(600)
    ) {
        precondition(blockSize > 0 && blockSize & (blockSize - 1) == 0, "block size \(blockSize) is no power of two")
        self.blockSize = blockSize
        self.decisionInterval = decisionInterval
        self.leadTime = leadTime
        self.releaseHorizon = releaseHorizon
        self.releaseHold = releaseHold
        self.reservationLifetime = reservationLifetime
        self.standardLifetime = standardLifetime
    }
}
