import ArgumentParser
import Coordinator
import DaemonSupport

/// Names accepted by `--services`.
enum ServiceSelection: String, CaseIterable {
    case all
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run until SIGTERM or SIGINT.",
        discussion: """
            SIGHUP reads the configuration again and applies a changed log-level. The state is kept in the
            configuration's state-directory; one coordinator at a time may use it.
            """)

    @OptionGroup var configuration: ConfigurationFile

    @Option(help: "Services of this process. This version runs all of them in one process: 'all'.")
    var services = "all"

    @Flag(
        help: """
            The state directory was restored from a backup: nothing is bound, leased or freed before hosts have said \
            what they hold. For the first start only.
            """)
    var restoredFromBackup = false

    func validate() throws {
        guard ServiceSelection(rawValue: services) != nil else {
            throw ValidationError(
                "--services '\(services)' is not supported: this version runs all services in one process; use 'all'")
        }
    }

    func run() async throws {
        let settings = try configuration.load()
        do {
            try await CoordinatorDaemon.run(
                settings: settings, configurationFile: configuration.file, environment: .current,
                restoredFromBackup: restoredFromBackup)
        } catch {
            throw Failure.exit(error, CoordinatorDaemon.exitCode(for: error))
        }
    }
}
