import ArgumentParser
import Coordinator
import DaemonSupport

/// What `--services` accepts: `all`, or all but the profiler, in any order.
struct ServiceSelection: Equatable {
    static let needed: Set<String> = ["network-manager", "session-manager", "allocator"]
    static let profiler = "profiler"

    let isProfiling: Bool

    init?(_ text: String) {
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        switch Set(names) {
        case ["all"], Self.needed.union([Self.profiler]): isProfiling = true
        case Self.needed: isProfiling = false
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
            Services of this process: 'all', or 'network-manager,session-manager,allocator' for a coordinator without a \
            profiler: nothing is learnt, what was learnt is kept, identifiers are held by watermarks. The profiler does \
            not run in a process of its own yet.
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
                "--services '\(services)' is not supported: use 'all', or 'network-manager,session-manager,allocator'")
        }
    }

    func run() async throws {
        let settings = try configuration.load()
        do {
            try await CoordinatorDaemon.run(
                settings: settings, configurationFile: configuration.file, environment: .current,
                isProfiling: ServiceSelection(services)?.isProfiling ?? true, restoredFromBackup: restoredFromBackup)
        } catch {
            throw Failure.exit(error, CoordinatorDaemon.exitCode(for: error))
        }
    }
}
