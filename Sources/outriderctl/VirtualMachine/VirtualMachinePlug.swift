import ArgumentParser
import LocalAPI

struct VirtualMachinePlug: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plug", abstract: "Hands over a port that was attached with --later.",
        discussion: "The port is moved into the overlay's namespace and renamed after its identifier.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var interface: InterfaceOptions
    @Option(help: "Name that the port has now.") var port: String
    @Option(help: ArgumentHelp("Namespace that it is in now; the host's when absent.", valueName: "path"))
    var namespace: String?
    @OptionGroup(title: "Telemetry (at most one of --process, --cgroup)") var workload: WorkloadOptions

    func run() async throws {
        let call = PlugCall(
            interface: try interface.interface(), port: port, namespace: namespace, workload: workload.wish)
        let timeout = options.timeout.duration
        let attachment = try withAgent(options) { (client) throws(AgentCallError) in
            try client.plug(call, timeout: timeout)
        }
        try Output(format: options.output).show(attachment)
    }
}
