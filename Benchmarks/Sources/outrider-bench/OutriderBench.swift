import Foundation

/// Runs the benchmarks named on the command line, or all.
@main
struct OutriderBench {
    static let benchmarks: [(name: String, run: @Sendable () async throws -> Void)] = [
        ("addresses", AddressBenchmark.run), ("forecast", ForecastBenchmark.run), ("varlink", VarlinkBenchmark.run),
        ("netlink", NetlinkBenchmark.run),
    ]

    static func main() async {
        let names = CommandLine.arguments.dropFirst()
        let known = benchmarks.map(\.name)
        for name in names where !known.contains(name) {
            FileHandle.standardError.write(
                Data("outrider-bench: no benchmark '\(name)'; there are \(known.joined(separator: ", "))\n".utf8))
            exit(64)
        }
        Report.heading()
        for benchmark in benchmarks where names.isEmpty || names.contains(benchmark.name) {
            do {
                try await benchmark.run()
            } catch {
                FileHandle.standardError.write(Data("outrider-bench: \(benchmark.name): \(error)\n".utf8))
                exit(1)
            }
        }
    }
}
