public import Logging
public import ServiceLifecycle
import UnixSignals

/// Runs the services of a daemon until SIGTERM or SIGINT asks for a graceful end, or one of them fails.
public struct Daemon: Sendable {
    let logger: Logger
    let control: LogControl
    let notifier: ServiceManagerNotifier
    /// Services that have not ended this long after the signal are cancelled.
    let gracePeriod: Duration
    /// Reads the configuration again for SIGHUP and returns its log level.
    let reload: @Sendable () throws -> Logger.Level

    public init(
        logger: Logger, control: LogControl, notifier: ServiceManagerNotifier, gracePeriod: Duration = .seconds(10),
        reload: @escaping @Sendable () throws -> Logger.Level
    ) {
        self.logger = logger
        self.control = control
        self.notifier = notifier
        self.gracePeriod = gracePeriod
        self.reload = reload
    }

    /// Starts the services in order and ends them in reverse order. A service that returns or throws by itself ends
    /// the daemon; its error is thrown here.
    public func run(_ services: [any Service]) async throws {
        let own: [any Service] = [
            StopNotice(notifier: notifier, logger: logger), LevelReload(daemon: self),
        ]
        var configuration = ServiceGroupConfiguration(
            services: (services + own).map {
                ServiceGroupConfiguration.ServiceConfiguration(
                    service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            }, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
        configuration.maximumGracefulShutdownDuration = gracePeriod
        try await ServiceGroup(configuration: configuration).run()
    }

    /// The service group's own steps are of no use to an operator below warnings.
    private var quiet: Logger {
        var logger = logger
        logger.logLevel = max(.warning, control.level)
        return logger
    }
}

/// Says STOPPING=1 as soon as the end begins.
private struct StopNotice: Service {
    let notifier: ServiceManagerNotifier
    let logger: Logger
    func run() async throws {
        try await gracefulShutdown()
        logger.info("stopping")
        notifier.stopping()
    }
}

/// SIGHUP: read the configuration again, apply its log level, name the problems when it cannot be read.
private struct LevelReload: Service {
    let daemon: Daemon
    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            do {
                let level = try daemon.reload()
                daemon.control.level = level
                daemon.logger.notice("configuration read again", metadata: ["log-level": "\(level)"])
            } catch {
                daemon.logger.error("configuration not applied: \(error)")
            }
        }
    }
}
