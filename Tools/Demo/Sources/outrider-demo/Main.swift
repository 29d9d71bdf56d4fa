import ArgumentParser
import Foundation
import NamespaceKit

/// Runs a whole installation in network namespaces for some compressed days, breaks it on purpose, and reports.
@main
struct OutriderDemo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider-demo",
        abstract: "Three hosts, two applications, three days in as many minutes, then kills and attacks.",
        discussion: """
            Needs root, nsenter, iproute2, nftables and iperf3. Ends with status 1 when any check fails.
            """)

    @Option(
        name: [.customLong("bin"), .customLong("binaries")],
        help: ArgumentHelp("Folder of the built programs.", valueName: "dir"))
    var bin: String

    @Option(help: ArgumentHelp("Where the JSON report goes.", valueName: "file"))
    var report: String = ".build/demo/report.json"

    @Option(help: "Seed of the traffic; the same seed asks for the same launches.")
    var seed: UInt64 = 20_26

    @Option(help: "Compressed days to run before the experiments.")
    var days: Int = 3

    @Option(help: "Length of a compressed day in seconds.")
    var day: Int = 60

    @Flag(help: "Keep namespaces, programs and logs running at the end.")
    var keep = false

    func validate() throws {
        guard (1...60).contains(days) else { throw ValidationError("--days must be 1 ... 60, not \(days)") }
        guard (10...600).contains(day) else { throw ValidationError("--day must be 10 ... 600 seconds, not \(day)") }
        for program in ["outrider-agent", "outrider-coordinator", "outriderctl"]
        where !FileManager.default.isExecutableFile(atPath: bin + "/" + program) {
            throw ValidationError("\(bin)/\(program) is not there; build it first ('./run build')")
        }
        guard geteuid() == 0 else { throw ValidationError("network namespaces need root") }
    }

    func run() async throws {
        let options = DemoOptions(
            binaries: URL(filePath: bin).standardizedFileURL.path(percentEncoded: false), report: report, seed: seed,
            days: days, dayLength: .seconds(day), keep: keep)
        let passed = try await Demo(options).run()
        if !passed { throw ExitCode.failure }
    }
}

/// What was asked on the command line.
struct DemoOptions: Sendable {
    var binaries: String
    var report: String
    var seed: UInt64
    var days: Int
    var dayLength: Duration
    var keep: Bool
    /// One real day over one compressed day.
    var timeFactor: Double { 86_400 / (dayLength / .seconds(1)) }
}
