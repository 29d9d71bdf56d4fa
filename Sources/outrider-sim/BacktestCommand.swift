import ArgumentParser
import ForecastBacktest
import FoundationEssentials

struct BacktestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Forecasts a set of traces at its origins and scores what came.",
        discussion: "Without --traces the set is synthetic: one series of each kind, from a seed.")

    @Option(help: "Folder that holds sets of traces.")
    var traces: String?
    @Option(help: "Which set, a folder in it.")
    var set = "dev"
    @Option(help: "Of the synthetic set.")
    var seed: UInt64 = 1
    @Option(help: "Folder for fan charts, one per series, made if missing.")
    var charts: String?
    @Option(help: "Folder to which the set is written in the form that --traces reads, made if missing.")
    var export: String?

    func run() throws {
        let traces = try load()
        if let export {
            for file in traces.files { try write(file.text, file.name, to: export) }
        }
        let backtest = try Backtest(traces) { try $0.predictions() }
        print(BacktestReport(backtest).table, terminator: "")
        guard let charts else { return }
        for entry in backtest.entries {
            guard let last = entry.predictions.last(where: { $0.steps.count >= entry.series.meta.h24 }) else {
                continue
            }
            try write(FanChart(entry.series, last).svg, "\(entry.series.id).svg", to: charts)
        }
    }

    private func load() throws -> TraceSet {
        guard let traces else { return .synthetic(seed: seed) }
        return try TraceSet(folder: URL(filePath: traces, directoryHint: .isDirectory).appending(path: set))
    }

    private func write(_ text: String, _ name: String, to folder: String) throws {
        let folder = URL(filePath: folder, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: folder.appending(path: name))
    }
}
