/// How a test installation differs from a production one: where its files are, and how fast its days pass.
public struct ClusterSettings: Sendable {
    /// Prefix of every namespace; `otr-` and this process's id, so that runs never meet.
    public var prefix: String
    /// Folder of the built programs.
    public var binaries: String
    /// Folder for configuration, state, sockets and logs; made and removed by the cluster.
    public var directory: String
    /// Number of hosts, called h1, h2, ...
    public var hosts: Int
    /// Where their tunnel endpoints are.
    public var endpoints = Underlay.Endpoints.ipv4
    /// All durations of prediction and reclamation are divided by this.
    public var timeFactor: Double
    /// Where forecasts come from.
    public var profiler = Profiler.inCoordinator
    /// Further lines of the coordinator's configuration: key and value.
    public var coordinatorExtra: [String: String] = [:]
    /// Further lines of every agent's configuration.
    public var agentExtra: [String: String] = [:]

    /// Where the profiler runs.
    public enum Profiler: Sendable {
        case inCoordinator
        /// In a process of its own, see ``Cluster/startProfiler()``.
        case apart
        /// Nowhere: there are watermarks only.
        case none
    }

    public init(prefix: String, binaries: String, directory: String, hosts: Int, timeFactor: Double) {
        self.prefix = prefix
        self.binaries = binaries
        self.directory = directory
        self.hosts = hosts
        self.timeFactor = timeFactor
    }

    /// No interval becomes shorter than this.
    public static let shortestInterval = Duration.milliseconds(200)

    /// A duration of production, compressed.
    public func compressed(_ seconds: Double) -> Duration {
        max(Self.shortestInterval, .milliseconds(Int64((seconds / timeFactor * 1_000).rounded())))
    }

    /// The coordinator's compressed durations, by configuration key, in seconds of production.
    static let durations: [(key: String, seconds: Double)] = [
        ("sample-interval", 10), ("aggregate-interval", 10), ("decision-interval", 60), ("lead-time", 60),
        ("cooldown", 60), ("quarantine", 60), ("reservation-lifetime", 86_400), ("standard-lifetime", 600),
        ("bind-until", 86_400),
    ]
    static let horizons: [Double] = [300, 900, 3_600, 21_600, 86_400]
    /// How long a real machine may be slow is not a matter of compressed days.
    static let safety: [(key: String, value: Duration)] = [
        ("unreachable-after", .seconds(3)), ("drain-timeout", .seconds(3)),
    ]

    static func text(_ duration: Duration) -> String { "\(duration.inMilliseconds)ms" }
}

extension Duration {
    /// Whole milliseconds.
    public var inMilliseconds: Int64 { Int64(self / .milliseconds(1)) }
    /// Milliseconds with their fraction.
    public var milliseconds: Double { self / .milliseconds(1) }
}

extension ClusterSettings {
    /// The coordinator's configuration file.
    func coordinatorFile(address: String, stateDirectory: String, profiler: String) -> String {
        serviceFile(
            address: address, stateDirectory: stateDirectory,
            link: self.profiler == .apart ? [("profiler", profiler)] : [])
    }

    /// The configuration file of a profiler in a process of its own.
    func profilerFile(address: String, stateDirectory: String, coordinator: String) -> String {
        serviceFile(address: address, stateDirectory: stateDirectory, link: [("coordinator", coordinator)])
    }

    private func serviceFile(address: String, stateDirectory: String, link: [(String, String)]) -> String {
        var values: [(String, String)] =
            link + [
                ("listen", "[\"\(address)\"]"), ("state-directory", stateDirectory),
                ("overlay-mtu", "\(Underlay.mtu - endpoints.overhead)"), ("log-level", "info"), ("http-listen", "[]"),
            ]
        values += Self.durations.map { ($0.key, Self.text(compressed($0.seconds))) }
        values += Self.safety.map { ($0.key, Self.text($0.value)) }
        var horizons: [Duration] = []
        for seconds in Self.horizons {
            let value = compressed(seconds)
            // Floors may collide; the list must ascend.
            if horizons.last.map({ value > $0 }) ?? true { horizons.append(value) }
        }
        values.append(("horizons", "[" + horizons.map(Self.text).joined(separator: ", ") + "]"))
        return Self.file(values, coordinatorExtra)
    }

    /// One agent's configuration file.
    func agentFile(for host: ClusterHost, coordinator: String) -> String {
        Self.file(
            [
                ("host", host.name), ("coordinator", coordinator), ("vtep", "\(host.vtep)"),
                ("state-directory", host.stateDirectory), ("socket", host.socket), ("socket-group", "root"),
                ("overlay-namespace", NetworkNamespace.path(host.overlayNamespace)),
                ("boot-id-file", host.bootIDFile), ("fingerprint-file", host.fingerprintFile),
                ("sample-interval", Self.text(compressed(2))), ("reconcile-interval", "10s"),
                ("echo-interval", "200ms"),
                ("log-level", "info"),
            ], agentExtra)
    }

    private static func file(_ values: [(String, String)], _ extra: [String: String]) -> String {
        let kept = values.filter { extra[$0.0] == nil } + extra.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return kept.map { "\($0.0): \($0.1)\n" }.joined()
    }
}
