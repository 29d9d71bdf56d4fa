import ArgumentParser
import ControlAPI

struct SessionCreate: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Opens a session.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String
    @Option(help: "Free text, at most 128 characters.") var label: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_CreateSessionRequest()
        request.application = application
        request.label = label
        let answer = try await coordinator.sessions.createSession(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { SessionCommand.lines([answer], names) }
    }
}
