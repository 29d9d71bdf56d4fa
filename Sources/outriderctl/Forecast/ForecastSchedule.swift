import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ForecastSchedule: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "What will be given back, when and why.")
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only that of this application.", valueName: "application")) var app: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.allocator.getReleaseSchedule(
            .with { $0.application = app }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([.number("IN"), .text("APPLICATION"), .text("RANGE"), .text("REASON")])
            for release in answer.releases {
                table.add([
                    Words.milliseconds(release.inMs), names[release.application], release.range.word, release.reason,
                ])
            }
            return table.lines
        }
    }
}
