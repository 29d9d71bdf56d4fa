import CSystemShim
import Glibc
public import NetworkTypes

/// Where a VM's CPU and memory are read.
public enum Workload: Hashable, Sendable {
    /// Its process, by number.
    case process(Int32)
    /// Folder of its control group, version 1 or 2.
    case controlGroup(path: String)
}

/// One process, whatever becomes of its number: what /proc/PID showed when this was opened, or nothing.
final class ProcessHandle {
    let process: Int32
    /// Boot-time clock.
    let began: Instant
    private let fd: Int32

    /// - Throws: ``NetlinkError/isNotFound`` when there is no such process.
    init(_ process: Int32) throws(NetlinkError) {
        let fd = try checked(outrider_proc_open(process), "open process", "\(process)")
        var nanoseconds: UInt64 = 0
        let result = unsafe outrider_proc_began(fd, &nanoseconds)
        if result < 0 { close(fd) }
        _ = try checked(result, "read the beginning of process", "\(process)")
        self.process = process
        self.fd = fd
        began = Instant(nanoseconds: Int64(clamping: nanoseconds))
    }

    deinit { close(fd) }

    /// Resident memory, bytes; nil when the process has ended.
    func resident() throws(NetlinkError) -> UInt64? {
        var bytes: UInt64 = 0
        let result = unsafe outrider_proc_resident(fd, &bytes)
        if result == -ESRCH { return nil }
        _ = try checked(result, "read memory of process", "\(process)")
        return bytes
    }
}

/// What was read of one VM.
public struct WorkloadSample: Hashable, Sendable {
    public struct Task: Hashable, Sendable {
        public var process: Int32
        /// Boot-time clock, to the clock tick.
        public var began: Instant
        /// Since then.
        public var cpuNanoseconds: UInt64
    }
    /// Where memory was read.
    public enum MemorySource: String, Hashable, Sendable {
        case process = "statm"
        case controlGroup1 = "memory.usage_in_bytes"
        case controlGroup2 = "memory.current"
    }
    /// Nil when CPU time could not be read.
    public var tasks: [Task]?
    /// Bytes; nil when memory could not be read.
    public var memory: UInt64?
    public var memorySource: MemorySource?
    public init() {}
}

/// Reads the CPU time and memory of VMs. Used by one task or queue at a time.
///
/// CPU comes from taskstats, memory from the control group where that counts it, and else from /proc/PID/statm.
public final class WorkloadReader {
    /// One VM's, opened.
    public final class Handle {
        fileprivate enum Kind {
            case process(ProcessHandle)
            case group(fd: Int32, memory: WorkloadSample.MemorySource?)
        }
        fileprivate let kind: Kind
        /// Of a group: those that were in it at the last reading.
        fileprivate var processes: [Int32: ProcessHandle] = [:]
        fileprivate init(_ kind: Kind) { self.kind = kind }
        deinit { if case .group(let fd, _) = kind { close(fd) } }

        /// When the process began, boot-time clock; nil for a group.
        public var began: Instant? { if case .process(let handle) = kind { handle.began } else { nil } }
    }

    private static let processesMax = 4096
    private var statistics: TaskStatistics?
    private let sockets: NamespaceSockets
    private var numbers: [Int32] = []

    public init(in sockets: NamespaceSockets) {
        self.sockets = sockets
    }

    /// When the process began, boot-time clock; nil for a group.
    ///
    /// - Throws: ``NetlinkError/isNotFound`` when there is no such process or group.
    public static func began(_ workload: Workload) throws(NetlinkError) -> Instant? { try handle(of: workload).began }

    /// - Throws: ``NetlinkError/isNotFound`` when there is no such process or group.
    public func open(_ workload: Workload) throws(NetlinkError) -> Handle { try Self.handle(of: workload) }

    private static func handle(of workload: Workload) throws(NetlinkError) -> Handle {
        switch workload {
        case .process(let process): return Handle(.process(try ProcessHandle(process)))
        case .controlGroup(let path):
            let fd = try checked(unsafe outrider_folder_open(path), "open control group", path)
            let handle = Handle(.group(fd: fd, memory: memorySource(fd)))
            let count = outrider_cgroup_processes(fd, nil, 0)
            _ = try checked(count, "read processes of control group", path)
            return handle
        }
    }

    /// The root group of version 2 has no memory file, and other hierarchies of version 1 none either.
    private static func memorySource(_ fd: Int32) -> WorkloadSample.MemorySource? {
        var bytes: UInt64 = 0
        return [.controlGroup2, .controlGroup1].first {
            unsafe outrider_folder_number(fd, $0.rawValue, &bytes) == 0
        }
    }

    /// Reads one VM; what is gone or can't be read is nil.
    public func read(_ handle: Handle) throws(NetlinkError) -> WorkloadSample {
        switch handle.kind {
        case .process(let process): return try read([process])
        case .group(let fd, let source):
            guard let processes = try members(of: fd, handle) else { return WorkloadSample() }
            var sample = try read(processes)
            guard let source else { return sample }
            var bytes: UInt64 = 0
            let isRead = unsafe outrider_folder_number(fd, source.rawValue, &bytes) == 0
            sample.memory = isRead ? bytes : nil
            sample.memorySource = isRead ? source : nil
            // A group without processes was read: it has used nothing since.
            if sample.tasks == nil, processes.isEmpty { sample.tasks = [] }
            return sample
        }
    }

    /// Nil when the group is gone.
    private func members(of fd: Int32, _ handle: Handle) throws(NetlinkError) -> [ProcessHandle]? {
        if numbers.isEmpty { numbers = Array(repeating: 0, count: Self.processesMax) }
        let count = unsafe numbers.withUnsafeMutableBufferPointer {
            unsafe outrider_cgroup_processes(fd, $0.baseAddress, $0.count)
        }
        if count == -ENOENT { return nil }
        let found = Int(try checked(count, "read processes of control group"))
        guard found <= Self.processesMax else {
            throw NetlinkError(operation: "read processes of control group", code: E2BIG)
        }
        var current: [Int32: ProcessHandle] = [:]
        for process in numbers[..<found] where current[process] == nil {
            if let known = handle.processes[process], try known.resident() != nil {
                current[process] = known
                continue
            }
            do throws(NetlinkError) {
                current[process] = try ProcessHandle(process)
            } catch {
                // Ended since it was listed.
                guard error.isNotFound else { throw error }
            }
        }
        handle.processes = current
        return current.values.sorted { $0.process < $1.process }
    }

    private func read(_ processes: [ProcessHandle]) throws(NetlinkError) -> WorkloadSample {
        var sample = WorkloadSample()
        for process in processes {
            let nanoseconds = try cpu(of: process.process)
            // Read after the CPU time: if the process is there still, the number was its own all the while.
            guard let bytes = try process.resident() else { continue }
            sample.memory = (sample.memory ?? 0) + bytes
            sample.memorySource = .process
            guard let nanoseconds else { continue }
            let task = WorkloadSample.Task(
                process: process.process, began: process.began, cpuNanoseconds: nanoseconds)
            sample.tasks = (sample.tasks ?? []) + [task]
        }
        return sample
    }

    private func cpu(of process: Int32) throws(NetlinkError) -> UInt64? {
        do throws(NetlinkError) {
            if let statistics { return try statistics.cpu(ofProcess: process) }
            let fresh = try TaskStatistics(in: sockets)
            statistics = fresh
            return try fresh.cpu(ofProcess: process)
        } catch {
            // A socket that failed once is not trusted again; a kernel without taskstats leaves memory to be read.
            statistics = nil
            guard error.isNotFound || error.isPermission else { throw error }
            return nil
        }
    }
}
