public import Logging
public import NetworkTypes

/// The configuration of the coordinator, checked. Keys and texts: ``schema``.
public struct CoordinatorSettings: Hashable, Sendable {
    public var listen: [Endpoint]
    public var stateDirectory: String
    /// Ascending and disjoint.
    public var pool: [SNIRange]
    /// Ascending, disjoint, inside the pool.
    public var excluded: [SNIRange]
    public var chunkSize: Int
    public var blockSize: Int
    public var overlay: OverlayPlan
    public var overlayMTU: Int
    public var vxlanPort: UInt16
    /// Also the profiler's sample interval.
    public var aggregateInterval: Duration
    public var decisionInterval: Duration
    public var leadTime: Duration
    public var hostWeights: [HostWeight]
    /// Ascending.
    public var horizons: [Duration]
    public var cooldown: Duration
    public var quarantine: Duration
    /// Life of a predicted reservation.
    public var reservationLifetime: Duration
    /// Life of a reservation on demand.
    public var standardLifetime: Duration
    public var bindUntil: Duration
    public var unreachableAfter: Duration
    public var drainTimeout: Duration
    /// Of /metrics, /healthz and /readyz.
    public var httpListen: [Endpoint]
    public var profilesMax: Int
    /// What a launch that finds no identifier costs, in idle hours of one identifier, by priority class.
    public var costRatioCritical: Int
    public var costRatioStandard: Int
    public var costRatioBatch: Int
    /// A profiler in another process; nil when there is none.
    public var profiler: Endpoint?
    /// For a profiler in a process of its own; nil for others.
    public var coordinator: Endpoint?
    /// For forecasts; nil where no time zone is configured.
    public var calendar: CalendarSettings?
    /// A second source of samples; nil when there is none.
    public var prometheus: PrometheusSettings?
    public var logLevel: Logger.Level
    /// The configuration in force, defaults included, as a file that means the same.
    public private(set) var effectiveText: String

    /// Reads and checks a file.
    public static func load(file: String) throws(ConfigurationError) -> CoordinatorSettings {
        try CoordinatorSettings(yaml: readConfigurationFile(file), file: file)
    }

    /// Checks YAML text; `file` stands in messages.
    public init(yaml: String, file: String) throws(ConfigurationError) {
        let document = try SettingsDocument(yaml: yaml, file: file, schema: Self.schema)
        let problems = Self.contradictions(document)
        guard problems.isEmpty else { throw ConfigurationError(problems) }
        guard let overlay = OverlayPlan(ipv4: document[Keys.overlayIPv4], ipv6: document[Keys.overlayIPv6]) else {
            preconditionFailure("the formats of overlay-ipv4 and overlay-ipv6 admit what OverlayPlan refuses")
        }
        listen = document[Keys.listen]
        stateDirectory = document[Keys.stateDirectory]
        pool = document[Keys.pool].sorted()
        excluded = document[Keys.exclude].sorted()
        chunkSize = document[Keys.chunkSize]
        blockSize = document[Keys.blockSize]
        self.overlay = overlay
        overlayMTU = document[Keys.overlayMTU]
        vxlanPort = document[Keys.vxlanPort]
        aggregateInterval = document[Keys.aggregateInterval]
        decisionInterval = document[Keys.decisionInterval]
        leadTime = document[Keys.leadTime]
        hostWeights = document[Keys.hostWeights]
        horizons = document[Keys.horizons]
        cooldown = document[Keys.cooldown]
        quarantine = document[Keys.quarantine]
        reservationLifetime = document[Keys.reservationLifetime]
        standardLifetime = document[Keys.standardLifetime]
        bindUntil = document[Keys.bindUntil]
        unreachableAfter = document[Keys.unreachableAfter]
        drainTimeout = document[Keys.drainTimeout]
        httpListen = document[Keys.httpListen]
        profilesMax = document[Keys.profilesMax]
        costRatioCritical = document[Keys.costRatioCritical]
        costRatioStandard = document[Keys.costRatioStandard]
        costRatioBatch = document[Keys.costRatioBatch]
        profiler = document[optional: Keys.profiler]
        coordinator = document[optional: Keys.coordinator]
        calendar = CalendarSettings(document)
        prometheus = PrometheusSettings(document)
        logLevel = document[Keys.logLevel]
        effectiveText = Self.schema.effective(document)
    }
}
