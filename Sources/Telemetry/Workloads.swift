import FleetProtocol
import NetworkTypes

/// CPU and memory of the VMs' processes.
extension TelemetryEngine {
    mutating func takeTasks(_ reading: TelemetryReading, into step: inout TelemetryStep) {
        for sni in reading.unreadWorkloads {
            guard let application = targets.applications[sni] else { continue }
            step.applications[application, default: .init()].gaps.unread += 1
        }
        // What is not there now has ended: what it used since its last reading is not known. A VM that was not read at all
        // keeps its processes for the next time.
        var ended = taskOwners
        for row in reading.tasks {
            guard let application = targets.applications[row.sni] else { continue }
            let key = TaskKey(process: row.process, began: row.began)
            ended[key] = nil
            taskOwners[key] = Task(sni: row.sni, application: application)
            let isNew = previous.map { row.began >= $0 } ?? false
            let outcome = tasks.take(
                key, identity: 0, CPUCounter(nanoseconds: row.cpuNanoseconds), isNew: isNew, at: reading.at,
                patience: patience)
            guard let delta = step.applications[application, default: .init()].gaps.note(outcome) else { continue }
            let sum = step.applications[application]?.cpu ?? .zero
            step.applications[application]?.cpu = sum + .nanoseconds(Int64(clamping: delta.nanoseconds))
        }
        if !ended.isEmpty { end(ended, unread: Set(reading.unreadWorkloads), into: &step) }
        for row in reading.memory {
            guard let application = targets.applications[row.sni] else { continue }
            let sum = step.applications[application]?.memory ?? 0
            step.applications[application, default: .init()].memory = sum &+ row.bytes
            step.applications[application, default: .init()].memoryVMs += 1
        }
    }

    private mutating func end(
        _ ended: [TaskKey: Task], unread: Set<SessionNetworkID>, into step: inout TelemetryStep
    ) {
        for (key, task) in ended {
            let isBound = targets.applications[task.sni] == task.application
            if isBound, unread.contains(task.sni) { continue }
            step.applications[task.application, default: .init()].gaps.unread += 1
            tasks.forget(key)
            taskOwners[key] = nil
        }
    }
}
