import ArgumentParser
import ControlAPI

struct HostFence: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "fence", abstract: "Takes the leases of a host that does not report.",
        discussion: """
            At once with --powered-off. Else every reachable host drops its endpoint, and bind-until passes since its \
            last word; --assume-off skips the waiting on your word that it binds nothing. When it returns it gives up \
            what it held.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name of the host.") var host: String
    @Flag(help: "It has no power: you have seen to it.") var poweredOff = false
    @Flag(help: "It binds nothing: you take responsibility.") var assumeOff = false
    @Option(help: "Why, for the audit.") var reason: String

    func validate() throws {
        guard !reason.allSatisfy(\.isWhitespace) else { throw ValidationError("--reason must not be empty") }
        guard !(poweredOff && assumeOff) else { throw ValidationError("--powered-off says more than --assume-off") }
    }

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_FenceHostRequest()
        request.host = host
        request.proof = poweredOff ? .poweredOff : assumeOff ? .assumedOff : .cutOff
        request.reason = reason
        let answer = try await coordinator.fleet.fenceHost(request, options: coordinator.call)
        try output.show(answer) { HostShow.lines(answer) }
    }
}
