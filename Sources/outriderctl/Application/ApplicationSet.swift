import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ApplicationSet: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Changes the policy of an application.",
        discussion: "Fails with exit code 75 when somebody else changed it in between.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup(title: "Policy") var policy: PolicyOptions
    @Argument(help: "Name or id.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let current = try await coordinator.sessions.getApplication(
            .with { $0.application = application }, options: coordinator.call)
        var request = Outrider_V1_UpdateApplicationRequest()
        request.application = current.id
        request.expectedRevision = current.revision
        request.policy = try await policy.applied(to: current.policy, coordinator)
        let answer = try await coordinator.sessions.updateApplication(request, options: coordinator.call)
        try output.show(answer) { answer.facts }
    }
}
