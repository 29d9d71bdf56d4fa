import LocalAPI
import Netlink
import NetworkTypes
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

    /// When the process began, nil for a group; checks that it is there.
    func began(_ wish: WorkloadWish) throws(NetlinkError) -> Instant? { try reader.open(Workload(wish)).began }

    func assign(_ workload: AssignedWorkload, to vm: String) {
        guard entries[vm]?.workload != workload else { return }
        entries[vm] = Entry(workload: workload, handle: nil)
        // Bound by now, and not yet in the last view: it must not be dropped for that.
        justAssigned.insert(vm)
    }
    private var justAssigned: Set<String> = []

    /// Forgets the workloads of VMs without a bound interface.
    func dropAbsent() -> [String] {
        defer { justAssigned = [] }
        let gone = entries.keys.filter { identifiers[$0] == nil && !justAssigned.contains($0) }
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

extension Workload {
    init(_ wish: WorkloadWish) {
        switch wish {
        case .process(let number): self = .process(number)
        case .controlGroup(let path): self = .controlGroup(path: path)
        }
    }
}
