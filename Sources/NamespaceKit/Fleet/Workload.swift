public import SimulationKit
import Synchronization

/// Plays the trace: launches and stops at their times, a few at once.
public struct Workload: Sendable {
    private let events: [TraceEvent]
    private let applications: [FleetApplication]
    private let launcher: Launcher
    /// Called some times a second.
    private let watch: @Sendable () async -> Void

    /// Launches under way at one time: more would measure this machine's cores, not the launch.
    private static let concurrentMax = 2
    private static let tick = Duration.milliseconds(10)

    /// - Parameters:
    ///   - events: by time; their applications are places in `applications`.
    ///   - watch: called some times a second while it plays.
    public init(
        _ events: [TraceEvent], applications: [FleetApplication], launcher: Launcher,
        watch: @escaping @Sendable () async -> Void = {}
    ) {
        self.events = events
        self.applications = applications
        self.launcher = launcher
        self.watch = watch
    }

    /// Plays the events of `interval` (time within the trace) in real time.
    public func play(_ interval: Range<Duration>) async {
        let began = ContinuousClock.now
        let events = events.filter { interval.contains($0.time) }
        let gate = LaunchGate(Self.concurrentMax)
        await withDiscardingTaskGroup { group in
            var shown = began
            for event in events {
                let due = began + (event.time - interval.lowerBound)
                // What is late is played at once, in order, as room comes free.
                while ContinuousClock.now < due || !gate.enter() {
                    if ContinuousClock.now - shown > .milliseconds(250) {
                        shown = .now
                        await watch()
                        await launcher.stopDeferred()
                    }
                    try? await Task.sleep(for: min(Self.tick, max(.milliseconds(1), due - ContinuousClock.now)))
                }
                let application = applications[event.application]
                let name = "\(application.name)-\(event.vm)"
                group.addTask {
                    switch event.kind {
                    case .launch: await launcher.launch(application, name: name)
                    case .stop: await launcher.stop(name: name)
                    }
                    gate.leave()
                }
            }
        }
        let end = began + (interval.upperBound - interval.lowerBound)
        try? await Task.sleep(until: end)
        await launcher.stopDeferred()
    }
}

/// Bounds the work in flight.
final class LaunchGate: Sendable {
    private let room: Mutex<Int>
    init(_ limit: Int) { room = Mutex(limit) }

    /// False when there is no room.
    func enter() -> Bool {
        room.withLock { room in
            guard room > 0 else { return false }
            room -= 1
            return true
        }
    }
    func leave() { room.withLock { $0 += 1 } }
}
