import Agent
import ArgumentParser
import DaemonSupport

@main
struct OutriderAgent: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider-agent",
        abstract: "The host agent of Outrider: hands identifiers to launching VMs and programs the kernel.",
        discussion: DaemonSupport.ExitCode.help([
            .ok, .failure, .usage, .cannotCreate, .temporary, .permission, .configuration,
        ]),
        version: Version.current,
        subcommands: [Run.self, NetworkNamespace.self, Teardown.self, Export.self, ConfigCommand.self],
        defaultSubcommand: Run.self)
}

struct ConfigurationFile: ParsableArguments {
    @Option(name: .customLong("config"), help: "Configuration file.")
    var file = "/etc/outrider/agent.yaml"

    func load() throws -> AgentSettings {
        do {
            return try AgentSettings.load(file: file)
        } catch {
            throw Failure.exit(error)
        }
    }
}

enum Failure {
    /// Says what is wrong on standard error and gives the program's exit code.
    static func exit(_ error: any Error) -> ArgumentParser.ExitCode {
        printToStandardError("outrider-agent: \(error)")
        return ArgumentParser.ExitCode(exitCode(for: error).rawValue)
    }
}
