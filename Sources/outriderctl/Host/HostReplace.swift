import ArgumentParser
import ControlAPI

struct HostReplace: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Accepts the machine that was refused last under a name.",
        discussion: """
            With VMs it adopts them under the leases of the name, and binds nothing new before 'outriderctl agent \
            resolve' there. With none, the installation that held the name is fenced: make sure that it is off. \
            The old state directory must not come back afterwards: its agent would bind until the coordinator refuses it.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name of the host.") var host: String
    @Option(help: "Why, for the audit.") var reason: String

    func validate() throws {
        guard !reason.allSatisfy(\.isWhitespace) else { throw ValidationError("--reason must not be empty") }
    }

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ReplaceHostRequest()
        request.host = host
        request.reason = reason
        let answer = try await coordinator.fleet.replaceHost(request, options: coordinator.call)
        try output.show(answer) { HostShow.lines(answer) }
    }
}
