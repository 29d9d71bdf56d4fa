import ArgumentParser
import ControlAPI

struct ApplicationCreate: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Creates an application.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup(title: "Policy") var policy: PolicyOptions
    @Argument(help: "Name: 1 ... 63 of a-z 0-9 - . starting with a letter or digit.") var name: String
    @Option(help: "UUID to give it, so that a repeated request creates nothing new.") var id: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_CreateApplicationRequest()
        request.name = name
        request.id = id
        request.policy = try await policy.applied(to: .init(), coordinator)
        let answer = try await coordinator.sessions.createApplication(request, options: coordinator.call)
        try output.show(answer) { answer.facts }
    }
}
