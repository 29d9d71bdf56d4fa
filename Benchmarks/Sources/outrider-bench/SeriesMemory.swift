import Forecasting
import Synchronization

/// By the resident memory of this process, so that headers of arrays and rounding count.
enum SeriesMemory {
    static func run() throws {
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        try measure("series: resident memory, 5 minutes", bar: 8192) {
            var series = SeriesForecaster(plan: plan, prior: prior)
            try series.observe(1, at: 0)
            return series
        }
        func fine(_ indicators: [Double]) throws -> FineSeries {
            var series = FineSeries(plan: plan, prior: prior)
            for tick in 0..<90 { try series.observe(1, at: tick, indicators: indicators) }
            return series
        }
        try measure("series: resident memory, all resolutions", bar: 12_288) { try fine([]) }
        try measure("series: the same with five indicators", bar: 12_288) { try fine([1, 2, 3, 4, 5]) }
        let configuration = ProfileConfiguration()
        try measure("demand profile: resident memory", bar: 16_384) {
            var profile = DemandProfile(configuration: configuration)
            profile.observe(DemandSample(concurrent: 1, peak: 1, launches: 1, stops: 0), at: .zero)
            return profile
        }
        let shape = try ForecastShape(ProfileConfiguration())
        // VMs at all resolutions with their indicators; peaks and launches.
        try measure("application, two series: resident memory", bar: 2 * 12_288) {
            var application = ApplicationForecaster(shape: shape)
            for tick in 0..<90 {
                application.observe(
                    DemandSample(concurrent: 1, peak: 1, launches: 1, stops: 0), at: tick, indicators: [1, 2, 3, 4, 5])
            }
            return application
        }
    }

    private static func measure<Model: Sendable>(_ metric: String, bar: Double, _ make: () throws -> Model) throws {
        let count = 4000
        // The first ones pay for pages of code.
        var all = try (0..<50).map { _ in try make() }
        all.reserveCapacity(50 + count)
        let before = try ForecastBenchmark.residentBytes()
        for _ in 0..<count { all.append(try make()) }
        let used = try ForecastBenchmark.residentBytes() - before
        precondition(all.count == 50 + count)
        Results.note(metric, Double(used) / Double(count), "bytes", bar: bar)
        kept.withLock { $0.append(all) }
    }

    /// What was freed would be used again by the next.
    private static let kept = Mutex<[any Sendable]>([])
}
