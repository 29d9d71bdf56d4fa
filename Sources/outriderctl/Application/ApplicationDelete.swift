import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ApplicationDelete: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Deletes an application.",
        discussion: "Refused while VMs are bound; it is gone when its last block is free.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.sessions.deleteApplication(
            .with { $0.application = application }, options: coordinator.call)
        try output.show(answer) { answer.facts }
    }
}
