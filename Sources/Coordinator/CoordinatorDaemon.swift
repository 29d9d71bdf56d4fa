public import CoordinatorCore
public import DaemonSupport
import Forecasting
import Logging
import ServiceLifecycle
import Store

/// The coordinator as a process: recovery, services, graceful end.
public struct CoordinatorDaemon: Sendable {
    let settings: CoordinatorSettings
    let store: any Store
    let shell: CoordinatorShell
    let servers: [Server]
    let endpoints: [HTTPEndpoint]
    let prometheus: PrometheusFeed?
    /// What speaks with a profiler or a coordinator in another process.
    let peers: [any Service]
    let logger: Logger

    /// Opens the store and recovers from it. Nothing listens yet.
    init(
        _ settings: CoordinatorSettings, profiler place: ProfilerPlace = .here, restoredFromBackup: Bool = false,
        logger: Logger
    ) async throws {
        self.settings = settings
        self.logger = logger
        let peer = try ProfilerPeer(settings, place, logger: logger)
        let calendar = try settings.calendar.map { try SeriesCalendar($0, now: CoordinatorClock.wall) }
        let store = try SQLiteStore(directory: settings.stateDirectory)
        self.store = store
        let clock = CoordinatorClock()
        var random = SystemRandomNumberGenerator()
        let recovered = try await RecoveredMachine.load(
            CoordinatorConfiguration(settings, calendar: calendar, profiler: place, version: Version.current),
            seed: random.next(),
            store: store,
            at: clock.now, restoredFromBackup: restoredFromBackup)
        logger.info(
            "state recovered",
            metadata: ["events": "\(recovered.eventsSinceSnapshot)", "store": "\(settings.stateDirectory)"])
        let shell = CoordinatorShell(
            recovered: recovered, store: store, clock: clock, tickInterval: settings.tickInterval,
            keepsSamples: place == .elsewhere && settings.profiler != nil, logger: logger)
        self.shell = shell
        peers = peer.services(shell, settings)
        servers = settings.listen.map {
            Server(endpoint: $0, shell: shell, services: peer.offered(shell, clock))
        }
        // Nobody would learn from it.
        let source = place == .elsewhere ? nil : settings.prometheus
        let counts = source.map { _ in PrometheusCounts() }
        let pages = HTTPPages(shell: shell, prometheus: counts, peer: peer)
        endpoints = settings.httpListen.map { HTTPEndpoint(endpoint: $0, pages: pages, logger: logger) }
        prometheus = source.flatMap { source in
            counts.map {
                PrometheusFeed(
                    source: PrometheusSource(source, counts: $0), shell: shell, clock: clock,
                    interval: settings.aggregateInterval, logger: logger)
            }
        }
    }

    /// In starting order; they end in reverse.
    func services(notifier: ServiceManagerNotifier) -> [any Service] {
        [ShellService(shell: shell, store: store, logger: logger)] + servers + endpoints
            + (prometheus.map { [$0] } ?? []) + peers
            + [ReadyNotice(servers: servers, endpoints: endpoints, notifier: notifier, logger: logger)]
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// - Parameters:
    ///   - place: where the profiler is. Elsewhere: nothing is learnt here, what was learnt before is kept, and the
    ///     allocator has its watermarks while no forecasts come.
    ///   - restoredFromBackup: the store is older than what it ruled: nothing moves before hosts say what they hold. For
    ///     the first start after a restore only.
    /// - Throws: ``StoreError``, ``ImageError``, ``ListenError``, or what the machine says of a configuration that
    ///   contradicts the store.
    public static func run(
        settings: CoordinatorSettings, configurationFile: String, environment: DaemonEnvironment,
        profiler place: ProfilerPlace = .here, restoredFromBackup: Bool = false
    ) async throws {
        let control = LogControl(level: settings.logLevel)
        let logger = Logger.daemon(
            label: "outrider-coordinator", control: control, journalStream: environment.journalStream)
        logger.info("starting", metadata: ["version": "\(Version.current)", "configuration": "\(configurationFile)"])
        let daemon = try await CoordinatorDaemon(
            settings, profiler: place, restoredFromBackup: restoredFromBackup, logger: logger)
        let notifier = ServiceManagerNotifier(socketPath: environment.notifySocket)
        try await Daemon(logger: logger, control: control, notifier: notifier) {
            try CoordinatorSettings.load(file: configurationFile).logLevel
        }.run(daemon.services(notifier: notifier))
    }

    /// The exit code for what ``run(settings:configurationFile:environment:)`` throws.
    public static func exitCode(for error: any Error) -> ExitCode {
        switch error {
        case let error as StoreError:
            switch error {
            case .locked: .temporary
            case .newerVersion, .olderVersion, .foreign: .configuration
            case .permission: .permission
            case .cannotOpen, .notDurable: .cannotCreate
            case .corrupt, .writeFailed, .outOfOrder: .failure
            }
        case is ListenError, is HTTPListenError: .cannotCreate
        case is ConfigurationError, is ConfigurationConflict, is UnknownTimeZone, is MissingCoordinator,
            is FollowerMismatch:
            .configuration
        case let error as ImageError: error.isOfAnotherVersion ? .configuration : .failure
        default: .failure
        }
    }
}

/// Says READY=1 when every address is served.
private struct ReadyNotice: Service {
    let servers: [Server]
    let endpoints: [HTTPEndpoint]
    let notifier: ServiceManagerNotifier
    let logger: Logger

    func run() async throws {
        for server in servers {
            // A server that cannot listen ends the daemon with its own error.
            guard (try? await server.boundPort()) != nil else { return try await gracefulShutdown() }
            logger.warning(
                "listening without encryption and authentication: whoever reaches this address controls the network",
                metadata: ["address": "\(server.endpoint)"])
        }
        for endpoint in endpoints {
            guard await endpoint.boundPort() != nil else { return try await gracefulShutdown() }
        }
        notifier.ready(status: "serving \(servers.map { "\($0.endpoint)" }.joined(separator: ", "))")
        logger.info("ready")
        try await gracefulShutdown()
    }
}
