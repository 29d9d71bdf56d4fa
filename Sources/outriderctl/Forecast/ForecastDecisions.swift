import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ForecastDecisions: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "decisions", abstract: "The allocator's last decision for each application.")
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only that of this application.", valueName: "application")) var app: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.allocator.listDecisions(
            .with { $0.application = app }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .text("APPLICATION"), .text("MODE"), .number("IN USE"), .number("COOLING"), .number("PENDING"),
                .number("FLOOR"), .number("FORECAST"), .number("TARGET"), .number("OWNED"), .number("CONFIDENCE"),
                .number("THRESHOLD"), .text("REASON"),
            ])
            for decision in answer.decisions {
                table.add([
                    names[decision.application], decision.mode.word, String(decision.inUse), String(decision.cooling),
                    String(decision.pending), String(decision.floor), Words.fraction(decision.forecast),
                    String(decision.target), String(decision.owned), Words.fraction(decision.confidence),
                    Words.fraction(decision.threshold), decision.reason,
                ])
            }
            return table.lines
        }
    }
}
