import Agent
import ArgumentParser
import DaemonSupport

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run until SIGTERM or SIGINT.",
        discussion: """
            Stopping, crashing or upgrading the agent changes no kernel state and loses no packet. The overlay's network
            namespace must exist ('outrider-agent netns create'). SIGHUP applies a changed log-level.
            """)

    @OptionGroup var configuration: ConfigurationFile

    func run() async throws {
        let settings = try configuration.load()
        do {
            try await AgentDaemon.run(
                settings: settings, configurationFile: configuration.file, environment: .current)
        } catch {
            throw Failure.exit(error)
        }
    }
}
