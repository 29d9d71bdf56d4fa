import Forecasting
import Foundation
import SimulationKit

/// Work of the profiler: one sample in, one profile out, for an application with a week of history.
enum ForecastBenchmark {
    /// Microseconds: 100,000 series at one sample each 10 s are then two thirds of one core.
    private static let sampleMax = 64.0

    @Sendable static func run() async throws {
        // First, while this process has freed nothing that could be used again.
        try SeriesMemory.run()
        let shape = TraceShape(mean: 200, bursts: 4, burstSize: 40)
        let trace = SyntheticTrace(seed: 7, shapes: [shape], days: 7)
        let samples = trace.samples(application: 0, every: .seconds(10))
        var profile = DemandProfile(configuration: ProfileConfiguration())
        await Report.each("forecast: one sample, 7 days", operations: samples.count, warmup: 0, meanMax: sampleMax) {
            index in
            let sample = samples[index]
            profile.observe(
                DemandSample(
                    concurrent: sample.concurrent, peak: sample.peak, launches: sample.launches, stops: sample.stops),
                at: sample.time)
        }
        let learned = profile
        await Report.each("forecast: one scaling profile", operations: 1000) { _ in
            precondition(learned.profile().samples > 0)
        }
        await Report.each("forecast: one peak quantile", operations: 10_000) { _ in
            precondition(learned.peakQuantile(0.95, lead: .seconds(120)) != nil)
        }
        try SeriesBenchmark.run()
        try TracesBenchmark.run()
        try RivalBenchmark.run()
    }

    /// Second field of `/proc/self/statm`, in pages (proc(5)).
    static func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw CocoaError(.fileReadCorruptFile) }
        return pages * Int(getpagesize())
    }
}
