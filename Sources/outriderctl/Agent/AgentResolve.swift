import ArgumentParser
import LocalAPI

struct AgentResolve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve", abstract: "Ends the recovery from a lost journal.",
        discussion: """
            Confirms that the ports that were adopted are all there is. Refused while one of them has no lease, or the \
            coordinator has not accepted this host.
            """)
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let timeout = options.timeout.duration
        try withAgent(options) { (client) throws(AgentCallError) in try client.resolve(timeout: timeout) }
        try Output(format: options.output).show(json: "{}") { ["resolved: launches are served again"] }
    }
}
