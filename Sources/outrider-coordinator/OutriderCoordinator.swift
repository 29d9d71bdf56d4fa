import ArgumentParser
import Coordinator
import DaemonSupport

@main
struct OutriderCoordinator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider-coordinator",
        abstract: "The coordinator of an Outrider installation: who owns which session network identifiers.",
        discussion: DaemonSupport.ExitCode.help([
            .ok, .failure, .usage, .cannotCreate, .temporary, .permission, .configuration,
        ]),
        version: Version.current, subcommands: [Run.self, ConfigCommand.self],
        defaultSubcommand: Run.self)
}

struct ConfigurationFile: ParsableArguments {
    @Option(name: .customLong("config"), help: "Configuration file.")
    var file = "/etc/outrider/coordinator.yaml"

    func load() throws -> CoordinatorSettings {
        do {
            return try CoordinatorSettings.load(file: file)
        } catch {
            throw Failure.exit(error, .configuration)
        }
    }
}

enum Failure {
    /// Says what is wrong on standard error and gives the program's exit code.
    static func exit(_ error: any Error, _ code: DaemonSupport.ExitCode) -> ArgumentParser.ExitCode {
        printToStandardError("outrider-coordinator: \(error)")
        return ArgumentParser.ExitCode(code.rawValue)
    }
}
