import ArgumentParser
import DaemonSupport

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Check or show the configuration.",
        subcommands: [Check.self, Show.self, Default.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a file and name everything that is wrong with it. Exit code 78 when something is.")
        @OptionGroup var configuration: ConfigurationFile
        func run() throws {
            _ = try configuration.load()
            print("\(configuration.file): ok")
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the configuration in force, defaults included.")
        @OptionGroup var configuration: ConfigurationFile
        func run() throws { print(try configuration.load().effectiveText, terminator: "") }
    }

    struct Default: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the commented default file.")
        func run() throws { print(AgentSettings.schema.defaultFile, terminator: "") }
    }
}
