import ArgumentParser
import ControlAPI

struct RestoreEnd: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "end", abstract: "Goes on without the hosts that have not said what they hold.",
        discussion: "'outriderctl check' names them. Their blocks may be given to others from now on.")
    @OptionGroup var options: GlobalOptions
    @Option(help: "Why, for the audit.") var reason: String

    func validate() throws {
        guard !reason.allSatisfy(\.isWhitespace) else { throw ValidationError("--reason must not be empty") }
    }

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_EndRestorationRequest()
        request.reason = reason
        let answer = try await coordinator.network.endRestoration(request, options: coordinator.call)
        try output.show(answer) { CheckCommand.lines(answer) }
    }
}
