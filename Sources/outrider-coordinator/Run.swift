import ArgumentParser
import Coordinator
import CoordinatorCore
import DaemonSupport

/// What `--services` accepts: `all`, all but the profiler in any order, or the profiler alone.
struct ServiceSelection: Equatable {
    static let needed: Set<String> = ["network-manager", "session-manager", "allocator"]
    static let profiler = "profiler"

    let place: ProfilerPlace

    init?(_ text: String) {
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        switch Set(names) {
        case ["all"], Self.needed.union([Self.profiler]): place = .here
        case Self.needed: place = .elsewhere
        case [Self.profiler]: place = .alone
        default: return nil
        }
        guard Set(names).count == names.count else { return nil }
    }
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run until SIGTERM or SIGINT.",
        discussion: """
            SIGHUP reads the configuration again and applies a changed log-level. The state is kept in the
            configuration's state-directory; one coordinator at a time may use it.
            """)

    @OptionGroup var configuration: ConfigurationFile

    @Option(
        help: """
            Services of this process: 'all'; or 'network-manager,session-manager,allocator' for a coordinator that \
            learns nothing: forecasts come from the process that key 'profiler' names, and while none come identifiers \
            are held by watermarks; or 'profiler' for that process: it follows what key 'coordinator' names.
            """)
    var services = "all"

    @Flag(
        help: """
            The state directory was restored from a backup: nothing is bound, leased or freed before hosts have said \
            what they hold. For the first start only.
            """)
    var restoredFromBackup = false

    func validate() throws {
        guard ServiceSelection(services) != nil else {
            throw ValidationError(
                "--services '\(services)' is not supported: use 'all', 'network-manager,session-manager,allocator', or "
                    + "'profiler'")
        }
    }

    func run() async throws {
        let settings = try configuration.load()
        do {
            try await CoordinatorDaemon.run(
                settings: settings, configurationFile: configuration.file, environment: .current,
                profiler: ServiceSelection(services)?.place ?? .here, restoredFromBackup: restoredFromBackup)
        } catch {
            throw Failure.exit(error, CoordinatorDaemon.exitCode(for: error))
        }
    }
}
