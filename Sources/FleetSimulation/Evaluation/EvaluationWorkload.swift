import NetworkTypes
import SimulationKit

/// One VM that starts or stops at a host.
struct EvaluationEvent: Hashable, Sendable {
    var at: Instant
    var application: Int
    var host: Int
    /// Number of the VM, never used again.
    var vm: Int
    var isLaunch: Bool
}

/// The trace with a host for every launch and a VM for every stop: the same for every policy.
struct EvaluationWorkload: Sendable {
    let applications: [String]
    let events: [EvaluationEvent]
    let vms: Int

    init(_ trace: EventTrace, plan: EvaluationPlan) {
        var placing = Placing(trace, plan: plan)
        var events: [EvaluationEvent] = []
        for change in trace.changes where change.at < plan.end {
            for _ in 0..<max(0, change.delta) { events.append(placing.launch(change.application, at: change.at)) }
            for _ in 0..<max(0, -change.delta) { events.append(placing.stop(change.application, at: change.at)) }
        }
        applications = trace.applications
        self.events = events
        vms = placing.vms
    }
}

/// The orchestrator: where VMs go, and which one stops.
private struct Placing {
    private let hosts: Int
    private let placement: EvaluationPlan.Placement
    private let capacity: Int
    /// VMs by application and host.
    private var loads: [[Int]]
    private var totals: [Int]
    private var running: [[(vm: Int, host: Int)]]
    private(set) var vms = 0
    private var places: SeededGenerator
    private var stops: SeededGenerator

    init(_ trace: EventTrace, plan: EvaluationPlan) {
        hosts = plan.hosts
        placement = plan.placement
        var (present, peak) = (0, 0)
        for change in trace.changes {
            present += change.delta
            peak = max(peak, present)
        }
        // A fleet that could not hold the trace would be no fleet for it.
        capacity = max(plan.hostCapacity, (peak + plan.hosts - 1) / plan.hosts)
        loads = trace.applications.map { _ in Array(repeating: 0, count: plan.hosts) }
        totals = Array(repeating: 0, count: plan.hosts)
        running = trace.applications.map { _ in [] }
        let generator = SeededGenerator(seed: plan.seed)
        (places, stops) = (generator.fork(1), generator.fork(2))
    }

    mutating func launch(_ application: Int, at now: Instant) -> EvaluationEvent {
        let host = choose(application)
        let vm = vms
        vms += 1
        loads[application][host] += 1
        totals[host] += 1
        running[application].append((vm, host))
        return EvaluationEvent(at: now, application: application, host: host, vm: vm, isLaunch: true)
    }

    /// Traces do not say which VM stops: any, each as likely.
    mutating func stop(_ application: Int, at now: Instant) -> EvaluationEvent {
        let last = running[application].count - 1
        precondition(last >= 0, "application \(application) has nothing to stop at \(now)")
        let place = stops.integer(in: 0...last)
        running[application].swapAt(place, last)
        let (vm, host) = running[application].removeLast()
        loads[application][host] -= 1
        totals[host] -= 1
        return EvaluationEvent(at: now, application: application, host: host, vm: vm, isLaunch: false)
    }

    private mutating func choose(_ application: Int) -> Int {
        // Ties go to the first from a random one on, so that no host is everybody's favourite.
        let first = places.integer(in: 0...hosts - 1)
        guard placement != .random else { return first }
        var best: Int?
        for step in 0..<hosts {
            let host = first + step < hosts ? first + step : first + step - hosts
            guard placement == .spread || totals[host] < capacity else { continue }
            guard let present = best else {
                best = host
                continue
            }
            let isBetter =
                placement == .spread
                ? (loads[application][host], totals[host]) < (loads[application][present], totals[present])
                : totals[host] > totals[present]
            if isBetter { best = host }
        }
        return best ?? first
    }
}
