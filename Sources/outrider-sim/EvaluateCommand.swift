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
    @Option(name: .customLong("policy-csv"), help: "Rows of t, app, target[, ttl][, extra]; may be repeated.")
    var policyCSV: [String] = []
    @Option(name: .customLong("out"), help: "JSON file for the results, per application too.")
    var output: String?
    @Option(help: "Folder for Pareto plots, made if missing.")
    var plots: String?
    @Option(help: "Only applications with true starts and stops, or only those derived from loads, by meta.json.")
    var only: Part?
    @OptionGroup var options: EvaluationOptions

    enum Part: String, ExpressibleByArgument, CaseIterable {
        case trueEvents = "true_events"
        case derived
    }

    func run() throws {
        var choices = try policy.flatMap { try PolicyChoice.parse($0) }
        for path in policyCSV {
            let url = URL(filePath: path)
            choices.append(.rows(try PolicyRows(csv: [UInt8](try Data(contentsOf: url)), name: url.lastPathComponent)))
        }
        let plan = options.plan
        let folder = URL(filePath: traces, directoryHint: .isDirectory).appending(path: set)
        var trace = try EventTrace(folder: folder)
        if let only {
            let kinds = try TraceKind.all(folder)
            trace = trace.only { (kinds[$0]?.trueEvents ?? false) == (only == .trueEvents) }
        }
        var evaluation = Evaluation(trace, plan: plan)
        var results: [EvaluationResult] = []
        for choice in choices { results.append(try evaluation.run(choice)) }
        let report = EvaluationReport(results, plan: plan)
        print(report.table, terminator: "")
        if let plots {
            let folder = URL(filePath: plots, directoryHint: .isDirectory)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for chart in report.charts { try Data(chart.svg.utf8).write(to: folder.appending(path: chart.name)) }
        }
        guard let output else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(results).write(to: URL(filePath: output))
    }

    func validate() throws {
        guard !policy.isEmpty || !policyCSV.isEmpty else { throw ValidationError("give --policy or --policy-csv") }
    }
}

/// What `meta.json` says of a trace besides what forecasts need.
private struct TraceKind: Codable {
    var trueEvents: Bool?
    enum CodingKeys: String, CodingKey { case trueEvents = "true_events" }

    static func all(_ folder: URL) throws -> [String: TraceKind] {
        try JSONDecoder().decode([String: TraceKind].self, from: Data(contentsOf: folder.appending(path: "meta.json")))
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
