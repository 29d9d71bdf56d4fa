import Foundation

/// Runs the benchmarks named on the command line, or all; writes `.build/bench/NAME.json` for each. Exit code 1 when a bar
/// was missed.
@main
struct OutriderBench {
    static let benchmarks: [(name: String, run: @Sendable () async throws -> Void)] = [
        ("addresses", { AddressBenchmark.run() }), ("forecast", { try await ForecastBenchmark.run() }),
        ("allocation", { try AllocationBenchmark.run() }),
        ("varlink", { try await VarlinkBenchmark.run() }), ("netlink", { try await NetlinkBenchmark.run() }),
        ("space", { try SpaceBenchmark.run() }), ("decision", { try DecisionBenchmark.run() }),
        ("agent", { try AgentBenchmark.run() }),
        ("churn", { try ChurnBenchmark.run() }), ("launch", { try await LaunchBenchmark.run() }),
    ]
    /// Parts of benchmarks above, for whoever works on one; run when named only.
    static let parts: [(name: String, run: @Sendable () async throws -> Void)] = [
        ("attach", { try InstallationBenchmark.run() }), ("launch-paths", { try await LaunchBenchmark.paths() }),
        ("launch-policies", { try await LaunchBenchmark.policies() }),
    ]

    static func main() async {
        let names = CommandLine.arguments.dropFirst()
        let known = (benchmarks + parts).map(\.name)
        for name in names where !known.contains(name) {
            FileHandle.standardError.write(
                Data("outrider-bench: no benchmark '\(name)'; there are \(known.joined(separator: ", "))\n".utf8))
            exit(64)
        }
        Report.heading()
        var missed: [Metric] = []
        let chosen = names.isEmpty ? benchmarks : (benchmarks + parts).filter { names.contains($0.name) }
        for benchmark in chosen {
            do {
                try await benchmark.run()
                missed += try Results.write(benchmark.name)
            } catch {
                FileHandle.standardError.write(Data("outrider-bench: \(benchmark.name): \(error)\n".utf8))
                exit(1)
            }
        }
        for metric in missed {
            let value = metric.value.map { "\($0) \(metric.unit)" } ?? "not measured"
            let text = "outrider-bench: \(metric.metric) is \(value), bar \(metric.bar ?? 0)\n"
            FileHandle.standardError.write(Data(text.utf8))
        }
        if !missed.isEmpty { exit(1) }
    }
}
