import ArgumentParser
import LocalAPI

struct VirtualMachineDetach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detach", abstract: "Gives the identifier of a VM interface back.",
        discussion: "Succeeds also when there was none, so that a hook may repeat it.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var interface: InterfaceOptions
    @Option(help: "Keep the identifier that long for the interface, such as 12h; its next attach gets it again.")
    var hold: DurationArgument?

    func run() async throws {
        let call = DetachCall(interface: try interface.interface(), hold: hold?.duration)
        let timeout = options.timeout.duration
        try withAgent(options) { (client) throws(AgentCallError) in try client.detach(call, timeout: timeout) }
        try Output(format: options.output).show(json: "{}") { ["detached"] }
    }
}
