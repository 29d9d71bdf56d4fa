import LocalAPI
import Netlink
import NetworkTypes
import Synchronization
import Telemetry

/// Processes and control groups of the VMs, by VM. Belongs to the telemetry worker's queue.
///
/// A VM with several interfaces is read once, for the application of its lowest one.
final class WorkloadBook {
    private struct Entry {
        var workload: AssignedWorkload
        var handle: WorkloadReader.Handle?
    }

    private var entries: [String: Entry]
    private var identifiers: [String: SessionNetworkID] = [:]
    private let reader: WorkloadReader
    /// Why a VM of the latest reading could not be read though it is there, or nil.
    private(set) var failure: String?

    init(_ known: [String: AssignedWorkload], host: NamespaceSockets) {
        entries = known.mapValues { Entry(workload: $0, handle: nil) }
        reader = WorkloadReader(in: host)
    }

    func adopt(_ interfaces: [SessionNetworkID: VMInterface]) {
        var lowest: [String: (nic: Int, sni: SessionNetworkID)] = [:]
        for (sni, interface) in interfaces {
            if let other = lowest[interface.vm], other.nic <= interface.nic { continue }
            lowest[interface.vm] = (interface.nic, sni)
        }
        identifiers = lowest.mapValues(\.sni)
    }

    /// Takes what was given since the last reading.
    func assign(_ workloads: [String: AssignedWorkload]) {
        for (vm, workload) in workloads where entries[vm]?.workload != workload {
            entries[vm] = Entry(workload: workload, handle: nil)
        }
    }

    /// Forgets the workloads of VMs without a bound interface.
    ///
    /// - Parameter fresh: given just now; their binding may be younger than the view.
    func dropAbsent(except fresh: Set<String>) -> [String] {
        let gone = entries.keys.filter { identifiers[$0] == nil && !fresh.contains($0) }
        for vm in gone { entries[vm] = nil }
        return gone
    }

    /// Returns how many VMs were read.
    func read(into reading: inout TelemetryReading) -> Int {
        var count = 0
        failure = nil
        for (vm, sni) in identifiers {
            guard let sample = read(vm) else { continue }
            if let tasks = sample.tasks {
                for task in tasks {
                    reading.tasks.append(
                        TaskReading(
                            sni: sni, process: task.process, began: task.began, cpuNanoseconds: task.cpuNanoseconds))
                }
            }
            if let bytes = sample.memory { reading.memory.append(MemoryReading(sni: sni, bytes: bytes)) }
            if sample.tasks == nil || sample.memory == nil { reading.unreadWorkloads.append(sni) } else { count += 1 }
        }
        return count
    }

    private func open(_ entry: Entry) throws(NetlinkError) -> WorkloadReader.Handle {
        if let handle = entry.handle { return handle }
        return try reader.open(Workload(entry.workload.wish))
    }

    /// Nil when the VM has none.
    private func read(_ vm: String) -> WorkloadSample? {
        guard let entry = entries[vm] else { return nil }
        do throws(NetlinkError) {
            let handle = try open(entry)
            // The number belongs to another process by now.
            guard handle.began == entry.workload.began else { return WorkloadSample() }
            entries[vm]?.handle = handle
            return try reader.read(handle)
        } catch {
            entries[vm]?.handle = nil
            // That a VM's process ends is everyday life.
            if !error.isNotFound { failure = "\(vm): \(error)" }
            return WorkloadSample()
        }
    }
}

/// Workloads on their way to the telemetry worker: a launch does not wait until a reading is over.
final class WorkloadInbox: Sendable {
    private let waiting = Mutex<[String: AssignedWorkload]>([:])

    func put(_ workload: AssignedWorkload, for vm: String) { waiting.withLock { $0[vm] = workload } }

    func take() -> [String: AssignedWorkload] {
        waiting.withLock { waiting in
            defer { waiting = [:] }
            return waiting
        }
    }
}

extension Workload {
    init(_ wish: WorkloadWish) {
        switch wish {
        case .process(let number): self = .process(number)
        case .controlGroup(let path): self = .controlGroup(path: path)
        }
    }
}
