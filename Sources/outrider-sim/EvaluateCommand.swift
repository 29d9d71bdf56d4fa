import ArgumentParser
import FleetSimulation
import ForecastBacktest
import FoundationEssentials

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Replays launches and stops on a fleet under several allocation policies, and compares them.",
        discussion: """
            Policies: \(PolicyFamily.allCases.map(\.form).joined(separator: ", ")). A name without arguments stands \
            for a sweep. Durations are in seconds.
            """)

    @Option(help: "Folder that holds sets of traces: events.csv or events.csv.gz, and meta.json.")
    var traces: String
    @Option(help: "Which set, a folder in it.")
    var set = "dev"
    @Option(help: "A policy with its arguments, or a family to sweep; may be repeated.")
    var policy: [String] = []
    @Option(name: .customLong("out"), help: "JSON file for the results, per application too.")
    var output: String?
    @OptionGroup var options: EvaluationOptions

    func run() throws {
        let choices = try policy.flatMap { try PolicyChoice.parse($0) }
        let plan = options.plan
        let folder = URL(filePath: traces, directoryHint: .isDirectory).appending(path: set)
        let evaluation = Evaluation(try EventTrace(folder: folder), plan: plan)
        var results: [EvaluationResult] = []
        for choice in choices { results.append(try evaluation.run(choice)) }
        print(EvaluationReport(results, plan: plan).table, terminator: "")
        guard let output else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(results).write(to: URL(filePath: output))
    }
}

extension EventTrace {
    /// `events.csv`, or `events.csv.gz`, of a folder.
    init(folder: URL) throws {
        let plain = folder.appending(path: "events.csv")
        let isPlain = FileManager.default.fileExists(atPath: plain.path)
        let path = isPlain ? plain : folder.appending(path: "events.csv.gz")
        let bytes = [UInt8](try Data(contentsOf: path))
        try self.init(csv: isPlain ? bytes : try Inflate.gunzip(bytes))
    }
}
