import ArgumentParser
import ForecastBacktest
import FoundationEssentials

struct ForecastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast",
        abstract: "Forecasts a set of traces at its origins, and writes the quantiles for scoring.")

    @Option(help: "Folder that holds sets of traces.")
    var traces: String
    @Option(help: "Which set, a folder in it.")
    var set = "dev"
    @Option(name: .customLong("out"), help: "CSV file that is written.")
    var output: String

    func run() throws {
        let folder = URL(filePath: traces, directoryHint: .isDirectory).appending(path: set)
        let traces = try TraceSet(folder: folder)
        let predictions = try traces.series.flatMap { try $0.predictions() }
        try Data(Prediction.csv(predictions).utf8).write(to: URL(filePath: output))
    }
}
