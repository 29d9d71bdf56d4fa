import NetworkTypes

/// What one policy reached on one workload, over the scored time.
public struct EvaluationResult: Hashable, Sendable, Codable {
    /// One application.
    public struct Row: Hashable, Sendable, Codable {
        public var application: String
        public var launches: Int
        /// In the order of ``LaunchClass``.
        public var byClass: [Int]
        /// Time means of identifiers.
        public var idle: Double
        public var idleOnHosts: Double
        public var inUse: Double
        public var requestsPerHour: Double
    }

    public var policy: String
    public var launches: Int
    /// In the order of ``LaunchClass``.
    public var byClass: [Int]
    /// Launches without a cold allocation by all; then the mean over applications with ``launchesLeast`` launches.
    public var hit: Double
    public var hitMacro: Double
    /// The same of launches from a block on their host.
    public var hitOnHost: Double
    public var hitOnHostMacro: Double
    /// Identifiers neither bound nor in the pool, by those bound; then the mean over applications, of which none counts
    /// as less than one bound identifier.
    public var idle: Double
    public var idleMacro: Double
    /// The same of identifiers in blocks on hosts.
    public var idleOnHosts: Double
    public var idleOnHostsMacro: Double
    /// To peers' kernels, per launch.
    public var messagesPerLaunch: Double
    public var routes: Double
    public var routesMax: Int
    /// Runs of adjacent identifiers per (application, host) that has any.
    public var extents: Double
    /// To the Network Manager, per application and hour.
    public var requestsPerHour: Double
    public var rows: [Row]

    /// Applications with fewer launches have no hit of their own.
    public static let launchesLeast = 20

    init(
        _ policy: String, workload: EvaluationWorkload, plan: EvaluationPlan, tallies: [EvaluationTally],
        routes: RouteTally
    ) {
        self.policy = policy
        let seconds = plan.scored.inSeconds
        rows = zip(workload.applications, tallies).map { name, tally in
            Row(
                application: name, launches: tally.byClass.reduce(0, +), byClass: tally.byClass,
                idle: tally.idle / seconds, idleOnHosts: tally.idleOnHosts / seconds, inUse: tally.inUse / seconds,
                requestsPerHour: Double(tally.requests) / (seconds / 3600))
        }
        let rows = self.rows
        func total(_ value: (EvaluationTally) -> Int) -> Double { Double(tallies.reduce(0) { $0 + value($1) }) }
        func pooled(_ value: (Row) -> Double) -> Double {
            Self.ratio(rows.reduce(0) { $0 + value($1) }, rows.reduce(0) { $0 + $1.inUse })
        }
        func macro(_ value: (Row) -> Double) -> Double {
            Self.ratio(rows.reduce(0) { $0 + value($1) / max(1, $1.inUse) }, Double(rows.count))
        }
        let sums = LaunchClass.allCases.map { kind in rows.reduce(0) { $0 + $1.byClass[kind.rawValue] } }
        byClass = sums
        launches = sums.reduce(0, +)
        let counted = rows.filter { $0.launches >= Self.launchesLeast }
        func hits(_ last: LaunchClass) -> (pooled: Double, macro: Double) {
            func share(_ byClass: [Int]) -> Double {
                Self.ratio(Double(byClass.prefix(last.rawValue + 1).reduce(0, +)), Double(byClass.reduce(0, +)))
            }
            return (share(sums), Self.ratio(counted.reduce(0) { $0 + share($1.byClass) }, Double(counted.count)))
        }
        (hit, hitMacro) = hits(.reserved)
        (hitOnHost, hitOnHostMacro) = hits(.leased)
        (idle, idleMacro) = (pooled(\.idle), macro(\.idle))
        (idleOnHosts, idleOnHostsMacro) = (pooled(\.idleOnHosts), macro(\.idleOnHosts))
        messagesPerLaunch = Self.ratio(total(\.kernelMessages), Double(sums.reduce(0, +)))
        (self.routes, routesMax) = (routes.mean, routes.most)
        extents = Self.ratio(total(\.extents), total(\.seats))
        requestsPerHour = Self.ratio(rows.reduce(0) { $0 + $1.requestsPerHour }, Double(rows.count))
    }

    private static func ratio(_ part: Double, _ whole: Double) -> Double { whole > 0 ? part / whole : 0 }
}
