import Allocation
import ArgumentParser
import ForecastBacktest
import FoundationEssentials

struct FitAllocationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit-allocation",
        abstract: "Fits the constants of the allocation rule on a set of traces.",
        discussion: """
            The same traces give the same file, to the byte. With --each the output is a folder with one file per source, \
            fitted without it: what `allocate --constants FOLDER` decides with is then new to every application.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case json, swift
    }

    @Option(help: "Folder that holds sets of traces.")
    var traces: String
    @Option(help: "Which set, a folder in it.")
    var set = "dev"
    @Option(help: "A source of which nothing is used, as --sources prints it; may be repeated.")
    var leaveOut: [String] = []
    @Flag(help: "One file per source, fitted without it.")
    var each = false
    @Flag(help: "Print the sources of the set and stop.")
    var sources = false
    @Option(help: "json, or swift: the table that is compiled in.")
    var format = Format.json
    @Option(name: .customLong("out"), help: "File that is written; with --each a folder, made if missing.")
    var output: String?

    func validate() throws {
        guard sources || output != nil else { throw ValidationError("--out: say where the constants go") }
        guard !each || leaveOut.isEmpty else { throw ValidationError("--each leaves out every source in turn") }
    }

    func run() throws {
        let events = try EventSet(folder: URL(filePath: traces, directoryHint: .isDirectory).appending(path: set))
        guard !sources else { return print(events.sources.joined(separator: "\n")) }
        for name in leaveOut where !events.sources.contains(name) {
            let known = events.sources.joined(separator: "', '")
            throw ValidationError("--leave-out '\(name)': no such source; there are '\(known)'")
        }
        guard let output else { return }
        let fit = AllocationFit(events)
        guard each else {
            try write(fit.constants(leavingOut: Set(leaveOut)), to: URL(filePath: output))
            return
        }
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for source in fit.sources {
            try write(fit.constants(leavingOut: [source]), to: folder.appending(path: Self.file(source)))
        }
    }

    private func write(_ constants: MarginalConstants, to file: URL) throws {
        let text =
            switch format {
            case .json: try constants.json
            case .swift: constants.table
            }
        try Data(text.utf8).write(to: file)
    }

    /// The name of the file for a source, of letters, digits and dashes.
    static func file(_ source: String) -> String {
        String(source.map { $0.isLetter || $0.isNumber ? $0 : "-" }) + ".json"
    }
}
