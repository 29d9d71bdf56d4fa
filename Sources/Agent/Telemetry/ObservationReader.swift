import FleetProtocol
import FoundationEssentials
import LocalAPI
import Netlink
import NetworkTypes
import Telemetry

/// What to look at beside the host's own ports.
struct ObservationPlan: Sendable {
    var rules: [ObservationRule]
    /// Folders with libvirt's runtime files.
    var libvirtFolders: [String]
}

/// Reads the interfaces of the host's namespace that another system manages. Writes nothing, nowhere.
///
/// Belongs to the telemetry worker's queue.
final class ObservationReader {
    /// Longer files are no domain's.
    private static let fileMax = 4 << 20

    private struct File {
        var stamp: Date
        var size: UInt64
        var domain: LibvirtDomain?
        /// Why there is none.
        var problem: String?
    }

    private let plan: ObservationPlan
    private let sockets: NamespaceSockets
    private let workloads: WorkloadReader
    private var counters: CounterReader?
    private var route: RouteSocket?
    private var files: [String: File] = [:]
    private var handles: [Int32: WorkloadReader.Handle] = [:]
    /// What the latest reading found, with absolute counters.
    private(set) var ports: [ObservedReading.Port] = []
    /// What libvirt's folders kept from being read, first to last.
    private var problems: [String] = []
    private(set) var source = AgentTelemetryReport.Source(name: "observed", rows: nil, error: nil)

    init(_ plan: ObservationPlan, host: NamespaceSockets) {
        self.plan = plan
        sockets = host
        workloads = WorkloadReader(in: host)
    }

    func read(at now: Instant) -> ObservedReading {
        var reading = ObservedReading(at: now)
        do throws(NetlinkError) {
            ports = try readPorts()
            reading.ports = ports
            source = .init(name: "observed", rows: ports.count, error: problems.first)
        } catch {
            counters = nil
            route = nil
            source = .init(name: "observed", rows: nil, error: error.description)
        }
        readWorkloads(into: &reading)
        return reading
    }

    private func readPorts() throws(NetlinkError) -> [ObservedReading.Port] {
        // Counters first: a device whose index is used again between the two is then not in the list by its new name
        // with its old counters, but with counters of its own at the next reading.
        var rows: [Int: LinkCounters] = [:]
        try counterReader().readLinks { rows[$0.index] = $0 }
        let book = ObservationBook(rules: plan.rules, domains: domains())
        return try routeSocket().links().compactMap { link in
            guard !link.isLoopback, let row = rows[link.index] else { return nil }
            let interface = HostInterface(index: link.index, name: link.name, alias: link.alias)
            return book.observed(interface).map {
                .init(observed: $0, counters: TrafficCounters(row, ofKind: link.kind))
            }
        }.sorted { $0.observed.interface.name < $1.observed.interface.name }
    }

    private func counterReader() throws(NetlinkError) -> CounterReader {
        if let counters { return counters }
        let fresh = try CounterReader(in: sockets)
        counters = fresh
        return fresh
    }

    private func routeSocket() throws(NetlinkError) -> RouteSocket {
        if let route { return route }
        let fresh = try RouteSocket(in: sockets)
        route = fresh
        return fresh
    }

    // MARK: libvirt

    /// The domains that run; a file is read again when it has changed.
    private func domains() -> [LibvirtDomain] {
        var present: [String: File] = [:]
        problems = []
        // A folder that is not there has no domains: libvirt makes it when it starts.
        for folder in plan.libvirtFolders where FileManager.default.fileExists(atPath: folder) {
            do {
                for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".xml") {
                    let path = "\(folder)/\(name)"
                    present[path] = file(at: path)
                }
            } catch {
                problems.append("\(folder): \(error)")
            }
        }
        files = present
        let read = present.sorted { $0.key < $1.key }
        problems += read.compactMap(\.value.problem)
        return read.compactMap(\.value.domain)
    }

    /// Nil when it is gone: domains come and go between the listing and this.
    private func file(at path: String) -> File? {
        guard let facts = try? FileManager.default.attributesOfItem(atPath: path),
            let stamp = facts[.modificationDate] as? Date, let size = facts[.size] as? UInt64
        else { return nil }
        if let known = files[path], known.stamp == stamp, known.size == size { return known }
        var file = File(stamp: stamp, size: size)
        guard size <= Self.fileMax else {
            file.problem = "\(path): \(size) bytes are no domain's file"
            return file
        }
        do {
            file.domain = LibvirtDomain(runtimeFile: Array(try Data(contentsOf: URL(filePath: path))))
            if file.domain == nil { file.problem = "\(path): no runtime file of a domain" }
        } catch {
            file.problem = "\(path): \(error)"
        }
        return file
    }

    // MARK: CPU and memory

    private func readWorkloads(into reading: inout ObservedReading) {
        var processes: [String: Int32] = [:]
        for port in reading.ports ?? [] { processes[port.observed.vm] = port.observed.process }
        let wanted = Set(processes.values)
        handles = handles.filter { wanted.contains($0.key) }
        for (vm, process) in processes {
            guard let sample = read(process) else {
                reading.unreadVMs.insert(vm)
                continue
            }
            for task in sample.tasks ?? [] {
                reading.tasks.append(
                    .init(vm: vm, process: task.process, began: task.began, cpuNanoseconds: task.cpuNanoseconds))
            }
            reading.memory[vm] = sample.memory
            if sample.tasks == nil || sample.memory == nil { reading.unreadVMs.insert(vm) }
        }
    }

    private func read(_ process: Int32) -> WorkloadSample? {
        do throws(NetlinkError) {
            let handle: WorkloadReader.Handle
            if let known = handles[process] { handle = known } else { handle = try workloads.open(.process(process)) }
            let sample = try workloads.read(handle)
            // Ended; the number may be another process's by the next reading.
            handles[process] = sample.memory == nil ? nil : handle
            return sample
        } catch {
            handles[process] = nil
            return nil
        }
    }
}

extension TrafficCounters {
    /// Turned to the VM's side. What a tap, veth or any other far end received, the VM sent; a macvtap or macvlan device
    /// is the VM's own end.
    fileprivate init(_ row: LinkCounters, ofKind kind: String) {
        self.init(port: row)
        guard ["macvtap", "macvlan", "ipvtap", "ipvlan"].contains(kind) else { return }
        swap(&receivedBytes, &sentBytes)
        swap(&receivedPackets, &sentPackets)
    }
}
