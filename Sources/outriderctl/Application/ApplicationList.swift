import ArgumentParser
import ControlAPI

struct ApplicationList: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "All applications.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.sessions.listApplications(.init(), options: coordinator.call)
        try output.show(answer) {
            var table = Table([
                .text("NAME"), .text("PRIORITY"), .text("MODE"), .number("BOUND"), .number("LEASED"), .number("OWNED"),
                .text("STATE"), .text("ID"),
            ])
            for application in answer.applications {
                table.add([
                    application.name, application.policy.priority.word, application.policy.mode.word,
                    String(application.bound), String(application.leased), String(application.owned),
                    application.deleting ? "deleting" : "active", application.id,
                ])
            }
            return table.lines
        }
    }
}
