import Allocation
import ArgumentParser
import ForecastBacktest
import FoundationEssentials

struct AllocateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allocate",
        abstract: "Decides for a set of traces how many identifiers each application holds, for scoring.",
        discussion: """
            Rows of t, app, target, ttl and extra: hold `target` identifiers in total from t on, used ones included, and \
            keep `extra` of them free at any moment. A decision uses events before its time only.
            """)

    @Option(help: "Folder that holds sets of traces.")
    var traces: String
    @Option(help: "Which set, a folder in it.")
    var set = "dev"
    @Option(help: "Cost of a launch without an identifier, in idle hours of one identifier.")
    var costRatio = 10.0
    @Option(help: "Free identifiers that every application keeps at least.")
    var floor = 0
    @Option(help: "Identifiers that an application holds at most.")
    var cap: Int?
    @Option(
        help: """
            Constants of `fit-allocation` instead of the shipped ones: a file, or the folder of `--each`, from which each \
            application takes those that were fitted without its source.
            """)
    var constants: String?
    @Option(name: .customLong("out"), help: "CSV file that is written.")
    var output: String

    func run() throws {
        let policy = try MarginalPolicy(costRatio: costRatio, floor: floor, cap: cap)
        let events = try EventSet(folder: URL(filePath: traces, directoryHint: .isDirectory).appending(path: set))
        let chosen = try ConstantsChoice(path: constants)
        let plans = try events.plans([policy]) { try chosen.constants(for: $0) }
        try Data(AllocationPlan.csv(plans.flatMap { $0 }).utf8).write(to: URL(filePath: output))
    }
}

/// Where the constants of an application come from.
private enum ConstantsChoice {
    case same(MarginalConstants)
    case bySource(URL)

    init(path: String?) throws {
        guard let path else {
            self = .same(.shipped)
            return
        }
        let url = URL(filePath: path)
        var isFolder = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder else {
            self = .same(try MarginalConstants(file: url))
            return
        }
        self = .bySource(url)
    }

    func constants(for application: EventSet.Application) throws -> MarginalConstants {
        switch self {
        case .same(let constants): constants
        case .bySource(let folder):
            try MarginalConstants(file: folder.appending(path: FitAllocationCommand.file(application.source)))
        }
    }
}
