import Agent
import ArgumentParser
import DaemonSupport

struct NetworkNamespace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netns", abstract: "The overlay's network namespace.", subcommands: [Create.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the overlay's namespace and set its sysctls; does no harm when it is there.",
            discussion: """
                Run it outside of any sandbox with a mount namespace of its own: a namespace made inside one dies with it.
                It outlives the agent; 'outrider-agent teardown' removes it.
                """)
        @OptionGroup var configuration: ConfigurationFile

        func run() throws {
            let settings = try configuration.load()
            do {
                let made = try AgentVerbs.createNamespace(settings)
                let outcome = made.map { $0 ? "made" : "exists, settings applied" } ?? "not needed, mode is 'observe'"
                print("\(settings.overlayNamespace): \(outcome)")
            } catch {
                throw Failure.exit(error)
            }
        }
    }
}
