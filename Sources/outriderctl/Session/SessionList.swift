import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct SessionList: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Sessions, newest first.")
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only those of this application.", valueName: "application")) var app: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.sessions.listSessions(
            .with { $0.application = app }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { SessionCommand.lines(answer.sessions, names) }
    }
}
