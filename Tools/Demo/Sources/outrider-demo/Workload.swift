import NamespaceKit
import NetworkTypes
import SimulationKit
import Synchronization

/// Plays the trace: launches and stops at their times, a few at once.
struct Workload: Sendable {
    let traffic: Traffic
    let applications: [DemoApplication]
    let launcher: Launcher
    let progress: Progress

    /// Launches under way at one time: more would measure this machine's cores, not the launch.
    static let concurrentMax = 2
    private static let tick = Duration.milliseconds(10)

    /// Plays the events of `interval` (time within the trace) in real time.
    func play(_ interval: Range<Duration>, label: String) async {
        let began = ContinuousClock.now
        let events = traffic.trace.events.filter { interval.contains($0.time) }
        let gate = LaunchGate(Self.concurrentMax)
        await withDiscardingTaskGroup { group in
            var shown = began
            for event in events {
                let due = began + (event.time - interval.lowerBound)
                // What is late is played at once, in order, as room comes free.
                while ContinuousClock.now < due || !gate.enter() {
                    if ContinuousClock.now - shown > .milliseconds(250) {
                        shown = .now
                        await show(label)
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

    private func show(_ label: String) async {
        let counts = await launcher.countsByApplication()
        let records = await launcher.records
        let served = ["staged", "leased", "reserved", "cold"].map { kind in
            "\(kind) \(records.count { $0.servedFrom == kind })"
        }
        let vms = applications.map { "\($0.name) \(counts[$0.id] ?? 0)" }
        let failed = await launcher.failures.count
        progress.live(
            "\(label)  VMs: \(vms.joined(separator: ", "))  launches: \(served.joined(separator: ", "))"
                + (failed > 0 ? "  failed \(failed)" : ""))
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
