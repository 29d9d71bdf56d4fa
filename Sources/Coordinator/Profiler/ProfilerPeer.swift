import CoordinatorCore
import DaemonSupport
import GRPCCore
import Logging
import ServiceLifecycle

/// What this process offers and asks for, by where the profiler is.
struct ProfilerPeer: Sendable {
    let place: ProfilerPlace
    /// To the other process; nil where there is none.
    let link: PeerLink?
    private let logger: Logger

    /// - Throws: ``MissingCoordinator``.
    init(_ settings: CoordinatorSettings, _ place: ProfilerPlace, logger: Logger) throws(MissingCoordinator) {
        self.place = place
        self.logger = logger
        switch place {
        case .here:
            link = nil
        case .elsewhere:
            link = settings.profiler.map { PeerLink("profiler", at: $0, logger: logger) }
            if link == nil {
                logger.notice("there is no profiler, so watermarks decide; key 'profiler' names one in another process")
            }
        case .alone:
            guard let coordinator = settings.coordinator else { throw MissingCoordinator() }
            link = PeerLink("coordinator", at: coordinator, logger: logger)
        }
        for key in Self.unused(settings, place) {
            logger.warning("key '\(key)' says nothing in a process of these services; see --services")
        }
    }

    /// Keys of other services that an operator may have left behind.
    private static func unused(_ settings: CoordinatorSettings, _ place: ProfilerPlace) -> [String] {
        [
            ("profiler", settings.profiler != nil && place != .elsewhere),
            ("coordinator", settings.coordinator != nil && place != .alone),
            ("prometheus", settings.prometheus != nil && place == .elsewhere),
        ].filter(\.1).map(\.0)
    }

    /// Of every server of this process.
    func offered(_ shell: CoordinatorShell, _ clock: CoordinatorClock) -> [any RegistrableRPCService] {
        let profiler = BehavioralProfilerService(shell: shell)
        guard place != .alone else { return [profiler, PeakFeedService(shell: shell, clock: clock)] }
        let ruling: [any RegistrableRPCService] = [
            FleetService(shell: shell), SessionManagerService(shell: shell), NetworkManagerService(shell: shell),
            PredictiveAllocatorService(shell: shell),
        ]
        guard place == .elsewhere else { return ruling + [profiler] }
        let feed = shell.ring.map { SampleFeedService(shell: shell, ring: $0) }
        return ruling + (feed.map { [$0] } ?? []) + (link.map { [ForecastProxy(link: $0, local: profiler)] } ?? [])
    }

    /// What keeps the connection.
    func services(_ shell: CoordinatorShell, _ settings: CoordinatorSettings) -> [any Service] {
        guard let link else { return [] }
        if place == .alone { return [CoordinatorFollower(link: link, shell: shell)] }
        return [
            ProfilerLink(
                link: link, shell: shell, interval: settings.decisionInterval / 2,
                lead: settings.decisionInterval + settings.leadTime)
        ]
    }

    /// For metrics.
    var families: [MetricFamily] {
        guard let link else { return [] }
        return [
            MetricFamily(
                "outrider_\(link.name)_up", .gauge, "1 while the \(link.name) in another process answers.",
                link.isUp ? 1 : 0)
        ]
    }
}

/// A profiler alone has nobody to learn from. Exit code 78.
public struct MissingCoordinator: Error, CustomStringConvertible {
    public var description: String {
        "--services profiler learns from a coordinator in another process: give its address with the key 'coordinator'"
    }
}
