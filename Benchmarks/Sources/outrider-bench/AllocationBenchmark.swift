import Allocation
import ForecastBacktest
import Forecasting
import Foundation
import SimulationKit

/// The rule of marginal value: time and memory of its decisions, and what it serves and wastes on real traces, which are
/// not part of this repository: OUTRIDER_TRACES names the folder of a set.
enum AllocationBenchmark {
    @Sendable static func run() throws {
        try speed()
        guard let path = ProcessInfo.processInfo.environment[TracesBenchmark.variable] else { return absent() }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        let set = try EventSet(folder: folder)
        let start = SeriesBenchmark.cpu()
        let fit = AllocationFit(set)
        let all = try fit.constants()
        Results.note("fit of the constants", SeriesBenchmark.cpu() - start, "s")
        Results.note("shipped constants that a fit does not give", all == .shipped ? 0 : 1, "", bar: 0)
        let left = try AllocationEvaluation.leavingOneOut(fit)
        let honest = try AllocationEvaluation(set) { left[$0.source] ?? all }
        report(honest, "without source", hasBars: true)
        try baselines(honest, folder)
        report(try AllocationEvaluation(set) { _ in .shipped }, "shipped", hasBars: false)
    }

    private typealias Bar = (name: String, isTrue: Bool, mean: AllocationCurve.Mean, hit: Double, waste: Double)
    private static let bars: [Bar] = [
        ("true events, pooled hit .98", true, .pooled, 0.98, 2.5),
        ("true events, macro hit .95", true, .macro, 0.95, 55),
        ("all, pooled hit .90", false, .pooled, 0.90, 10.5), ("all, pooled hit .95", false, .pooled, 0.95, 23),
        ("all, pooled hit .98", false, .pooled, 0.98, 50), ("all, macro hit .93", false, .macro, 0.93, 85),
    ]

    private static func report(_ evaluation: AllocationEvaluation, _ name: String, hasBars: Bool) {
        for bar in bars {
            let curve = bar.isTrue ? evaluation.trueEvents : evaluation.curve
            let metric = "\(name): \(bar.name), waste"
            let promised = hasBars ? bar.waste : nil
            if let waste = curve.waste(at: bar.hit, bar.mean) {
                Results.note(metric, waste, "%", bar: promised)
            } else {
                Results.absent(metric, "%", bar: promised, why: "no point of the sweep serves as much")
            }
            let spread = curve.spread(at: bar.hit, bar.mean)
            Results.note("\(metric) bootstrap .1", spread.low, "%")
            if spread.high.isFinite { Results.note("\(metric) bootstrap .9", spread.high, "%") }
        }
        for point in evaluation.curve.points {
            let summary = point.summary
            let metric = "\(name): R = \(Int(point.ratio))"
            Results.note("\(metric), pooled hit", summary.hit, "")
            Results.note("\(metric), pooled waste", summary.waste, "%")
            Results.note("\(metric), macro hit", summary.hitMacro, "")
            Results.note("\(metric), macro waste", summary.wasteMacro, "%")
        }
        for isTrueOnly in [false, true] {
            for (ratio, cost) in evaluation.relativeCosts(isTrueOnly: isTrueOnly) {
                let metric = "\(name): \(isTrueOnly ? "true events" : "all"), J(\(Int(ratio))) by the best floor"
                Results.note(metric, cost.mean, "times")
                Results.note("\(metric), bootstrap .05", cost.interval.low, "times")
                Results.note("\(metric), bootstrap .95", cost.interval.high, "times")
            }
        }
    }

    /// A table of the reference scorer beside the set: `baselines_allocation_SET.csv`.
    private static func baselines(_ evaluation: AllocationEvaluation, _ folder: URL) throws {
        let name = "baselines_allocation_\(folder.lastPathComponent).csv"
        let file = folder.deletingLastPathComponent().appending(path: name)
        guard FileManager.default.fileExists(atPath: file.path) else {
            for mean in AllocationCurve.Mean.allCases {
                Results.absent("baselines that are better, \(mean.rawValue)", "", bar: 0, why: "there is no \(name)")
            }
            return
        }
        let baselines = try AllocationBaselines(file: file)
        for mean in AllocationCurve.Mean.allCases {
            // It knows the future.
            let (compared, better) = baselines.better(than: evaluation.curve, mean, except: ["oracle"])
            Results.note(
                "baselines that are better, \(mean.rawValue)", Double(better.count), "of \(compared)", bar: 0)
            if !better.isEmpty { print("  \(better.joined(separator: ", "))") }
        }
    }

    private static func absent() {
        let why = "\(TracesBenchmark.variable) names no folder"
        for bar in bars { Results.absent("without source: \(bar.name), waste", "%", bar: bar.waste, why: why) }
        for mean in AllocationCurve.Mean.allCases {
            Results.absent("baselines that are better, \(mean.rawValue)", "", bar: 0, why: why)
        }
        Results.absent("shipped constants that a fit does not give", "", bar: 0, why: why)
    }

    private static func speed() throws {
        let policy = try MarginalPolicy(costRatio: 20)
        var generator = SeededGenerator(seed: 1)
        var template = MarginalAllocator()
        var running = 0
        for _ in 0..<2 * 2016 {
            let launched = generator.poisson(mean: 3)
            for index in 0..<launched { template.launch(at: 300 * Double(index) / Double(launched)) }
            running += launched
            let stopped = min(running, generator.poisson(mean: 3))
            template.stop(stopped, at: 299)
            running -= stopped
            _ = template.endTick(policy, constants: .shipped)
        }
        Results.note("state of one application", Double(template.bytes), "bytes", bar: 8192)
        let learned = template
        let launches = 10_000
        let event = SeriesBenchmark.perCall(2 * launches) {
            var copy = learned
            for index in 0..<launches {
                copy.launch(at: Double(index) * 0.01)
                copy.stop(at: Double(index) * 0.01)
            }
        }
        Results.note("one launch or stop", event, "us")
        let batch = SeriesBenchmark.perCall(100) {
            var copy = learned
            for index in 0..<100 { copy.launch(1000, at: Double(index)) }
        }
        Results.note("a batch of 1,000 launches", batch, "us")
        let decisions = 2000
        let changed = SeriesBenchmark.perCall(decisions) {
            var copy = learned
            for _ in 0..<decisions {
                copy.launch(2, at: 10)
                copy.stop(2, at: 100)
                _ = copy.endTick(policy, constants: .shipped)
            }
        }
        Results.note("one changed application", changed, "us", bar: 50)
        fleet(learned, policy)
        samples(policy)
    }

    /// As the coordinator feeds it: a sample every ten seconds, a decision every thirty samples.
    private static func samples(_ policy: MarginalPolicy) {
        guard let clock = MarginalClock(interval: .seconds(10)) else { return }
        var generator = SeededGenerator(seed: 2)
        var vms = 20
        let day = (0..<8640).map { _ in
            let launches = generator.poisson(mean: 0.1)
            let stops = min(vms, generator.poisson(mean: 0.1))
            vms += launches - stops
            return DemandSample(concurrent: vms, peak: vms + stops, launches: launches, stops: stops)
        }
        var profile = MarginalProfile(after: -1, phase: 0, clock: clock)
        let sample = SeriesBenchmark.perCall(day.count) {
            profile = MarginalProfile(after: -1, phase: 0, clock: clock)
            for (slot, sample) in day.enumerated() { profile.observe(sample, at: slot, clock: clock, policy: policy) }
        }
        Results.note("a sample of ten seconds, decisions included", sample, "us")
        Results.note("one application as it is kept", Double(profile.bytes), "bytes")
        let bytes = profile.encoded(clock: clock)
        Results.note("as bytes", Double(bytes.count), "bytes")
        let coding = SeriesBenchmark.perCall(100) {
            for _ in 0..<100 {
                _ = try? MarginalProfile(encoded: profile.encoded(clock: clock), phase: 0, clock: clock)
            }
        }
        Results.note("to bytes and back", coding, "us", bar: 150)
        let writing = SeriesBenchmark.perCall(100) {
            for _ in 0..<100 { precondition(profile.encoded(clock: clock).count == bytes.count, "other bytes") }
        }
        Results.note("to bytes", writing, "us", bar: 50)
    }

    /// As large as is promised. Cold caches included: what the rule has learnt is 20,000 times there.
    private static func fleet(_ template: MarginalAllocator, _ policy: MarginalPolicy) {
        var rules = Array(repeating: template, count: 20_000)
        // Each has its own memory: a copy is not shared once it was written to.
        for index in rules.indices { rules[index].launch(at: Double(index % 300)) }
        var fleet = FleetDecisions(rules: rules, policy: policy)
        rules = []
        Results.note("fleet: VMs", Double(fleet.vms), "")
        Results.note("fleet: VMs of the largest application", Double(fleet.largest), "")
        for round in ["first", "second"] {
            let start = SeriesBenchmark.cpu()
            let changes = fleet.decideAll()
            let spent = SeriesBenchmark.cpu() - start
            Results.note("fleet: decisions for 100,000 applications on 10,000 hosts, \(round)", spent, "s", bar: 10)
            Results.note("fleet: changes of these decisions, \(round)", Double(changes), "")
        }
        let singles = fleet.change(20_000).map { Double($0) / 1000 }
        precondition(!singles.isEmpty, "no application was changed")
        let mean = singles.reduce(0, +) / Double(singles.count)
        Results.note("fleet: one changed application, mean", mean, "us", bar: 50)
        Results.note("fleet: one changed application, p50", singles[singles.count / 2], "us", bar: 50)
        Results.note("fleet: one changed application, p99", singles[singles.count * 99 / 100], "us")
    }
}
