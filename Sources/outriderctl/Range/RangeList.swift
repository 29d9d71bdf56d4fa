import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct RangeList: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Ranges and what they hold.")
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only those of this application.", valueName: "application")) var app: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.network.listRanges(
            .with { $0.application = app }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .text("RANGE"), .number("COUNT"), .text("APPLICATION"), .number("RESERVED"), .number("LEASED"),
                .number("BOUND"), .number("QUARANTINED"),
            ])
            for range in answer.ranges {
                table.add([
                    range.range.word, String(range.range.count), names[range.application], String(range.reserved),
                    String(range.leased), String(range.bound), String(range.quarantined),
                ])
            }
            return table.lines
        }
    }
}
