import ArgumentParser

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent", abstract: "This host's agent.", subcommands: [AgentShow.self, AgentResolve.self],
        defaultSubcommand: AgentShow.self)
}
