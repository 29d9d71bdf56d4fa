import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ApplicationShow: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One application and its policy.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.sessions.getApplication(
            .with { $0.application = application }, options: coordinator.call)
        try output.show(answer) { answer.facts }
    }
}
