import FleetProtocol
public import NetworkTypes

/// Turns readings of interfaces that another system manages into what each application did.
///
/// As for the host's own ports (``TelemetryEngine``): a difference counts when both of its ends belong together, anything
/// else is a gap. Nobody tells how long an interface was there before it was first read, so its first reading is always
/// a beginning.
public struct ObservedEngine: Sendable {
    private struct TaskKey: Hashable {
        var process: Int32
        var began: Instant
    }

    private let patience: Duration
    private var ports = CounterBook<String, TrafficCounters>()
    private var tasks = CounterBook<TaskKey, CPUCounter>()
    /// The VMs of the latest reading that worked, and their applications; nil before the first.
    private var vms: [String: ApplicationID]?
    private var owners: [String: ApplicationID] = [:]
    private var previous: Instant?

    /// - Parameter interval: between two readings.
    public init(interval: Duration) {
        patience = interval * 3 / 2
    }

    /// Interfaces and processes that are remembered.
    public var remembered: Int { ports.count + tasks.count }

    /// Takes one reading, in the order of their time.
    ///
    /// - Returns: by application; nil when the interfaces could not be read: what there is, is then as it was.
    public mutating func take(_ reading: ObservedReading) -> [ApplicationID: ObservedMeasure]? {
        guard let rows = reading.ports else { return nil }
        var step: [ApplicationID: ObservedMeasure] = [:]
        var seen: [String: ApplicationID] = [:]
        var now: [String: ApplicationID] = [:]
        for row in rows {
            let (name, application) = (row.observed.interface.name, row.observed.application)
            // An interface whose owner changed begins anew.
            if owners[name] != application { ports.forget(name) }
            let outcome = ports.take(
                name, identity: UInt64(row.observed.interface.index), row.counters, isNew: false, at: reading.at,
                patience: patience)
            step[application, default: .init()].interfaces += 1
            seen[name] = application
            // A VM with interfaces of several applications is one of the first's.
            if now[row.observed.vm].map({ application < $0 }) ?? true { now[row.observed.vm] = application }
            guard let delta = step[application, default: .init()].measure.gaps.note(outcome) else { continue }
            let sum = step[application]?.measure.traffic ?? .zero
            step[application]?.measure.traffic = sum.adding(delta)
        }
        for (name, application) in owners where seen[name] == nil {
            // What it did since its last reading is not known.
            step[application, default: .init()].measure.gaps.unread += 1
        }
        ports.keep { seen[$0] != nil }
        owners = seen
        count(now, into: &step)
        takeTasks(reading, into: &step)
        vms = now
        previous = reading.at
        return step
    }

    private func count(_ now: [String: ApplicationID], into step: inout [ApplicationID: ObservedMeasure]) {
        for (vm, application) in now {
            step[application, default: .init()].vms += 1
            // What runs at the first reading was launched before.
            if let vms, vms[vm] != application { step[application]?.launches += 1 }
        }
        for (vm, application) in vms ?? [:] where now[vm] != application {
            step[application, default: .init()].stops += 1
        }
    }

    private mutating func takeTasks(
        _ reading: ObservedReading, into step: inout [ApplicationID: ObservedMeasure]
    ) {
        var read: Set<TaskKey> = []
        let owner = reading.ports?.reduce(into: [String: ApplicationID]()) { owner, row in
            let other = owner[row.observed.vm] ?? row.observed.application
            owner[row.observed.vm] = min(other, row.observed.application)
        }
        for row in reading.tasks {
            guard let application = owner?[row.vm] else { continue }
            let key = TaskKey(process: row.process, began: row.began)
            read.insert(key)
            let outcome = tasks.take(
                key, identity: 0, CPUCounter(nanoseconds: row.cpuNanoseconds),
                isNew: previous.map { row.began >= $0 } ?? false, at: reading.at, patience: patience)
            guard let delta = step[application, default: .init()].measure.gaps.note(outcome) else { continue }
            let sum = step[application]?.measure.cpu ?? .zero
            step[application]?.measure.cpu = sum + .nanoseconds(Int64(clamping: delta.nanoseconds))
        }
        tasks.keep { read.contains($0) }
        for (vm, bytes) in reading.memory {
            guard let application = owner?[vm] else { continue }
            let sum = step[application]?.measure.memory ?? 0
            step[application, default: .init()].measure.memory = sum &+ bytes
            step[application, default: .init()].measure.memoryVMs += 1
        }
        for vm in reading.unreadVMs {
            guard let application = owner?[vm] else { continue }
            step[application, default: .init()].measure.gaps.unread += 1
        }
    }
}
