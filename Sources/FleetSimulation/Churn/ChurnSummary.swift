import NetworkTypes

/// What a churn run says in the end. Means are over the samples from ``settled`` on.
public struct ChurnSummary: Hashable, Sendable {
    /// One scheme's means.
    public struct Row: Hashable, Sendable {
        public var scheme: ChurnScheme
        public var routes: Double
        public var routesMax: Int
        public var nexthops: Double
        public var elements: Double
        public var elementsMax: Int
        public var vnis: Double
        public var extents: Double
        public var routesPerRemote: Double
        public var prefixesPerSeat: Double
        public var waste: Double
        /// Least-squares slope of `prefixesPerSeat`, per day.
        public var slope: Double
        /// Standard error of the slope over the means of whole days.
        public var slopeError: Double
        /// The same of `routesPerRemote`, which also moves with the sizes of applications.
        public var routesSlope: Double
        public var routesSlopeError: Double
    }

    public var plan: ChurnPlan
    public var rows: [Row]
    /// First day of the means and of the slope: day 10, or the last two thirds of a shorter run.
    public var settled: Double
    public var launches: Int
    /// Launches that no reachable host was found for.
    public var refused: Int
    public var vmsMean: Double
    /// Launches per second in the busiest minute.
    public var bindPeak: Double
    /// Leases per thousand launches: what the coordinator and the peers hear of.
    public var leasesPerThousand: Double
    /// Launches that waited for a block to be leased and staged, per thousand.
    public var waitsPerThousand: Double
    /// What one of them waited.
    public var waitMean: Duration
    public var waitMax: Duration
    public var freedBlocks: Int
    public var debts: Int
    public var scaleIn: MassScaleIn

    /// Sustained reclaim rate over the peak bind rate.
    public var reclaimRatio: Double { bindPeak > 0 ? scaleIn.sustainedRate / bindPeak : 0 }

    public subscript(scheme: ChurnScheme) -> Row {
        guard let row = rows.first(where: { $0.scheme == scheme }) else { preconditionFailure("no row of \(scheme)") }
        return row
    }

    init(_ simulation: ChurnSimulation, scaleIn: MassScaleIn) {
        plan = simulation.plan
        let settled = min(10, Double(plan.days) / 3)
        self.settled = settled
        rows = ChurnScheme.allCases.map { scheme in
            Row(scheme, (simulation.samples[scheme] ?? []).filter { $0.day > settled })
        }
        let counts = simulation.locality.counts
        launches = counts.launches
        refused = simulation.workload.refused
        vmsMean = Self.mean((simulation.samples[.locality] ?? []).filter { $0.day > settled }.map { Double($0.vms) })
        bindPeak = Double(simulation.launchesPeak) / 60
        leasesPerThousand = 1000 * Double(counts.leases) / Double(max(1, counts.launches))
        waitsPerThousand = 1000 * Double(counts.waits) / Double(max(1, counts.launches))
        waitMean = counts.waited / max(1, counts.waits)
        waitMax = counts.waitMax
        freedBlocks = counts.freedBlocks
        debts = simulation.locality.reclaimer.debtTotal
        self.scaleIn = scaleIn
    }

    static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
}

extension ChurnSummary.Row {
    init(_ scheme: ChurnScheme, _ samples: [ChurnSample]) {
        func mean(_ value: (ChurnSample) -> Double) -> Double { ChurnSummary.mean(samples.map(value)) }
        self.scheme = scheme
        routes = mean(\.routesMean)
        routesMax = samples.map(\.routesMax).max() ?? 0
        nexthops = mean(\.nexthopsMean)
        elements = mean(\.elementsMean)
        elementsMax = samples.map(\.elementsMax).max() ?? 0
        vnis = mean(\.vnisMean)
        extents = mean(\.extentsMean)
        routesPerRemote = mean(\.routesPerRemote)
        prefixesPerSeat = mean(\.prefixesPerSeat)
        waste = mean(\.waste)
        // Days, not hours: within a day the samples follow the sun, and their errors are anything but independent.
        (slope, slopeError) = Self.slope(Self.daily(samples, \.prefixesPerSeat))
        (routesSlope, routesSlopeError) = Self.slope(Self.daily(samples, \.routesPerRemote))
    }

    private static func daily(
        _ samples: [ChurnSample], _ value: (ChurnSample) -> Double
    ) -> [(x: Double, y: Double)] {
        var days: [Int: [Double]] = [:]
        for sample in samples { days[Int(sample.day.rounded(.up)), default: []].append(value(sample)) }
        return days.sorted { $0.key < $1.key }.map { (Double($0.key), ChurnSummary.mean($0.value)) }
    }

    /// Ordinary least squares: slope and its standard error.
    static func slope(_ points: [(x: Double, y: Double)]) -> (slope: Double, error: Double) {
        let count = Double(points.count)
        guard points.count > 2 else { return (0, 0) }
        let (x, y) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
        let spread = points.reduce(0) { $0 + ($1.x - x) * ($1.x - x) }
        let slope = points.reduce(0) { $0 + ($1.x - x) * ($1.y - y) } / spread
        let rest = points.reduce(0) { sum, point in
            let error = point.y - y - slope * (point.x - x)
            return sum + error * error
        }
        return (slope, (rest / (count - 2) / spread).squareRoot())
    }
}
