import Logging
import NetworkTypes

extension CoordinatorSettings {
    enum Keys {
        static let listen = SettingKey.list(
            "listen", of: .listenEndpoint, atLeast: 1,
            .defaulted([Endpoint(host: .ipv4(IPv4Address(127 << 24 | 1)), port: 7400)]),
            "Addresses at which agents and outriderctl reach the coordinator. There is no encryption and no",
            "authentication yet: listen only on addresses of a network that you trust.")
        static let stateDirectory = SettingKey.scalar(
            "state-directory", .absolutePath, .defaulted("/var/lib/outrider-coordinator"),
            "Where the database lives. One coordinator at a time may use it.")
        static let pool = SettingKey.list(
            "pool", of: .identifierRange, atLeast: 1, .defaulted([SNIRange(unchecked: 4096, count: (1 << 24) - 4096)]),
            "Identifiers that this installation may use. The first chunk of the space is never handed out.")
        static let exclude = SettingKey.list(
            "exclude", of: .identifierRange, atLeast: 0, .defaulted([]),
            "Parts of the pool that are left to others, for example to another overlay on the same underlay.")
        static let chunkSize = SettingKey.scalar(
            "chunk-size", .powerOfTwo(256...65536), .defaulted(4096),
            "Identifiers per chunk, the unit in which the pool is shuffled. It never changes once identifiers are in use."
        )
        static let blockSize = SettingKey.scalar(
            "block-size", .powerOfTwo(4...256), .defaulted(16),
            "Identifiers per block leased to a host, unless an application's policy says otherwise.")
        static let overlayIPv4 = SettingKey.scalar(
            "overlay-ipv4", .ipv4Prefix, .defaulted(OverlayPlan.standard.ipv4),
            "IPv4 prefix of the overlay; its host bits hold the identifier, so the pool must fit them.")
        static let overlayIPv6 = SettingKey.scalar(
            "overlay-ipv6", .uniqueLocalPrefix, .defaulted(OverlayPlan.standard.ipv6),
            "IPv6 prefix of the overlay. Draw your own 40-bit global id when installations may ever meet.")
        static let overlayMTU = SettingKey.scalar(
            "overlay-mtu", .integer(1280...9000), .defaulted(1450),
            "MTU of every VM's interface in bytes: the smallest underlay MTU of all hosts, less 50 for VXLAN over IPv4,",
            "less 70 over IPv6."
        )
        static let vxlanPort = SettingKey.scalar(
            "vxlan-port", .port, .defaulted(4789), "UDP port of VXLAN (RFC 7348).")
        static let sampleInterval = SettingKey.scalar(
            "sample-interval", .duration(), .optional(example: "10s"),
            "How often the profiler takes a sample of every application. A sample is the sum of what all hosts report for",
            "one aggregate-interval, so the two must be equal; without the key they are.")
        static let aggregateInterval = SettingKey.scalar(
            "aggregate-interval", .duration(), .defaulted(.seconds(10)),
            "How often every agent reports its aggregates.")
        static let decisionInterval = SettingKey.scalar(
            "decision-interval", .duration(), .defaulted(.seconds(60)),
            "How often the allocator decides for every application.")
        static let leadTime = SettingKey.scalar(
            "lead-time", .duration(), .defaulted(.seconds(60)),
            "Time from a decision until its blocks are staged at all peers; demand is forecast that far beyond the next",
            "decision.")
        static let hostWeights = SettingKey.list(
            "host-weights", of: ValueFormat<HostWeight>.losslessText("NAME=WEIGHT, such as hv-07=0.5, up to 100"),
            atLeast: 0, .defaulted([]),
            "Hosts of which more or less than launches so far show is expected: blocks are staged ahead by launches per hour",
            "times weight, and not at all where it is 0, as before a host leaves. Other hosts have 1.")
        static let horizons = SettingKey.list(
            "horizons", of: .duration(), atLeast: 1,
            .defaulted([.seconds(300), .seconds(900), .seconds(3600), .seconds(21_600), .seconds(86_400)]),
            "Lead times for which every application's growth is forecast, ascending.")
        static let cooldown = SettingKey.scalar(
            "cooldown", .duration(), .defaulted(.seconds(60)),
            "An identifier rests this long after a VM left it, before the host binds it again.")
        static let quarantine = SettingKey.scalar(
            "quarantine", .duration(), .defaulted(.seconds(60)),
            "A reclaimed block rests this long after owner and peers removed it, before it is free.")
        static let reservationLifetime = SettingKey.scalar(
            "reservation-lifetime", .duration(), .defaulted(.seconds(86_400)),
            "Life of a predicted reservation that nobody extends.")
        static let standardLifetime = SettingKey.scalar(
            "standard-lifetime", .duration(), .defaulted(.seconds(600)),
            "Life of a reservation made on demand that nobody extends.")
        static let bindUntil = SettingKey.scalar(
            "bind-until", .duration(), .defaulted(.seconds(86_400)),
            "A host that has not heard of the coordinator for this long binds nothing new. Its VMs keep running.")
        static let unreachableAfter = SettingKey.scalar(
            "unreachable-after", .duration(), .defaulted(.seconds(30)),
            "A host that is silent for this long counts as unreachable: staging does not wait for it; its blocks stay its",
            "own.")
        static let drainTimeout = SettingKey.scalar(
            "drain-timeout", .duration(), .defaulted(.seconds(60)),
            "A host that does not answer a mark within this time keeps the block; the mark is taken back.")
        static let httpListen = SettingKey.list(
            "http-listen", of: .listenEndpoint, atLeast: 0,
            .defaulted([Endpoint(host: .ipv4(IPv4Address(127 << 24 | 1)), port: 7401)]),
            "Addresses of the HTTP endpoints /metrics, /healthz and /readyz. There is no authentication; [] turns them off."
        )
        static let profilesMax = SettingKey.scalar(
            "profiles-max", .integer(1...1_000_000), .defaulted(131_072),
            "Applications that the profiler follows, at some 33 kB each. Beyond, the longest idle are given up.")
        static let costRatioCritical = costRatio("critical", 100)
        static let costRatioStandard = costRatio("standard", 20)
        static let costRatioBatch = costRatio("batch", 5)
        private static func costRatio(_ priority: String, _ ratio: Int) -> SettingKey<Int> {
            SettingKey.scalar(
                "cost-ratio-\(priority)", .integer(1...1_000_000), .defaulted(ratio),
                "What a launch that finds no identifier costs, in idle hours of one identifier, for applications of class",
                "\(priority) whose policy does not say. A profiler in a process of its own is told by its coordinator.")
        }
        static let profiler = SettingKey.scalar(
            "profiler", .remoteEndpoint, .optional(example: "10.0.0.6:7400"),
            "Where the profiler is reached when it is a process of its own: for --services",
            "network-manager,session-manager,allocator. Without it that coordinator has no forecasts.")
        static let coordinator = SettingKey.scalar(
            "coordinator", .remoteEndpoint, .optional(example: "10.0.0.5:7400"),
            "The coordinator whose applications a profiler in a process of its own follows: for --services profiler, with",
            "aggregate-interval, decision-interval, lead-time and horizons as there.")
        static let logLevel = SettingKey.logLevel
    }

    /// Every key that the coordinator's configuration may have.
    public static let schema = SettingsSchema(
        program: "outrider-coordinator",
        preamble: [
            "Configuration of outrider-coordinator.",
            "Check a changed file with 'outrider-coordinator config check --config FILE'. SIGHUP applies a changed",
            "log-level; everything else takes a restart, during which launches on leased blocks go on.",
        ],
        keys: [
            Keys.listen, Keys.stateDirectory, Keys.pool, Keys.exclude, Keys.chunkSize, Keys.blockSize, Keys.overlayIPv4,
            Keys.overlayIPv6, Keys.overlayMTU, Keys.vxlanPort, Keys.sampleInterval, Keys.aggregateInterval,
            Keys.decisionInterval, Keys.leadTime, Keys.hostWeights, Keys.horizons, Keys.cooldown, Keys.quarantine,
            Keys.reservationLifetime, Keys.standardLifetime, Keys.bindUntil, Keys.unreachableAfter, Keys.drainTimeout,
            Keys.httpListen, Keys.profilesMax, Keys.costRatioCritical, Keys.costRatioStandard, Keys.costRatioBatch,
            Keys.profiler, Keys.coordinator,
        ] + CalendarSettings.Keys.all + PrometheusSettings.Keys.all + [Keys.logLevel])
}
