import ArgumentParser
import ControlAPI

struct ForecastCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forecast", abstract: "What the profiler expects and the allocator decides.",
        subcommands: [
            ForecastList.self, ForecastShow.self, ForecastWatch.self, ForecastExplain.self, ForecastHistory.self,
            ForecastPeers.self, ForecastDecisions.self,
            ForecastSchedule.self,
        ])
}

extension [Outrider_V1_Quantile] {
    /// The value at `level`, or an empty text.
    func value(at level: Double) -> String {
        first { abs($0.level - level) < 1e-6 }.map { String(Int($0.value.rounded(.up))) } ?? ""
    }
}
