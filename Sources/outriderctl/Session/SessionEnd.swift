import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct SessionEnd: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "end", abstract: "Ends a session; its VMs are not touched.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "UUID of the session.") var id: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.sessions.endSession(.with { $0.id = id }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { SessionCommand.lines([answer], names) }
    }
}
