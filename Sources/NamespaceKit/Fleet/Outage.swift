import LocalAPI
public import SimulationKit

/// Launches that go on while nobody answers the agents: whoever has a lease must be served.
public struct Outage: Sendable {
    /// What became of one launch.
    public struct Launch: Sendable {
        public var name: String
        public var application: Int
        public var host: Int
        /// Since the beginning.
        public var at: Duration
        /// Identifiers that the host could bind just before.
        public var available: Int
        public var served: Bool
    }
    public private(set) var launches: [Launch] = []
    /// VMs that stopped meanwhile, with their place and time.
    public private(set) var stops: [(application: Int, host: Int, at: Duration)] = []

    public var leased: Int { launches.count { $0.available > 0 } }
    public var served: Int { launches.count { $0.served } }
    /// Launches that had a lease and were not served.
    public var unserved: [String] {
        launches.filter { $0.available > 0 && !$0.served }.map { "\($0.name) on h\($0.host + 1)" }
    }

    /// A launch without a lease can't be served now; it must not hold up the others.
    private static let patience = Duration.milliseconds(300)

    public init() {}

    /// Plays the events of `interval` (time within the trace), one at a time so that nobody takes the identifier that was
    /// seen free.
    ///
    /// - Parameter watch: called after each launch.
    public mutating func play(
        _ events: [TraceEvent], _ interval: Range<Duration>, applications: [FleetApplication], launcher: Launcher,
        watch: (Outage) -> Void = { _ in }
    ) async throws {
        let began = ContinuousClock.now
        let length = interval.upperBound - interval.lowerBound
        for event in events where interval.contains(event.time) {
            try await Task.sleep(until: began + (event.time - interval.lowerBound))
            let at = ContinuousClock.now - began
            guard at < length else { break }
            let application = applications[event.application]
            let name = "\(application.name)-\(event.vm)"
            guard event.kind == .launch else {
                let host = await launcher.live[name]?.host
                await launcher.stop(name: name)
                if let host { stops.append((event.application, host, at)) }
                continue
            }
            let host = await launcher.pickHost(application, for: name)
            let socket = AgentSocket(path: launcher.cluster.hosts[host].socket)
            let status = try await offload { () throws(KitError) in try socket.status() }
            let available = status.available(for: application.id)
            let machine = await launcher.launch(application, name: name, on: host, timeout: Self.patience)
            launches.append(
                Launch(
                    name: name, application: event.application, host: host, at: at, available: available,
                    served: machine != nil))
            watch(self)
        }
        try await Task.sleep(until: began + length)
        await launcher.stopDeferred()
    }
}
