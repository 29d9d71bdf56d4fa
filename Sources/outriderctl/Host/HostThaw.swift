import ArgumentParser
import ControlAPI

struct HostThaw: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "thaw", abstract: "Lets a frozen host bind again.",
        discussion: """
            Of two machines that spoke under one name, --keep names the right one. The other gets no grant any more: \
            stop its VMs first.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name of the host.") var host: String
    @Option(help: "Boot id, installation or fingerprint of the machine that is right.") var keep: String?

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ThawHostRequest()
        request.host = host
        request.keep = keep ?? ""
        let answer = try await coordinator.fleet.thawHost(request, options: coordinator.call)
        try output.show(answer) { HostShow.lines(answer) }
    }
}
