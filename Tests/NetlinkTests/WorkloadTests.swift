import CNetlinkShim
import CSystemShim
import Foundation
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct WorkloadTests {
    /// A process that burns CPU in several threads of which some have ended, then stands still.
    private static func worker() throws -> ChildProcess {
        let program = """
            import threading, time
            def burn(seconds):
                end = time.thread_time() + seconds
                while time.thread_time() < end: pass
            threads = [threading.Thread(target=burn, args=(0.15,)) for _ in range(3)]
            for t in threads: t.start()
            for t in threads: t.join()
            block = bytearray(30 << 20)
            print("ready", flush=True)
            time.sleep(60)
            """
        let output = NSTemporaryDirectory() + "otr-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let process = try ChildProcess(["python3", "-c", program], output: output)
        let deadline = ContinuousClock.now + .seconds(30)
        while process.outputText != "ready\n", process.isRunning, ContinuousClock.now < deadline { usleep(5000) }
        #expect(process.outputText == "ready\n")
        unlink(output)
        return process
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    @Test func cpuAndMemoryOfAProcessEqualProc() throws {
        let process = try Self.worker()
        defer { process.kill() }
        let number = process.processID
        let reader = WorkloadReader(in: try NamespaceSockets(path: nil))
        let handle = try reader.open(.process(number))
        // It sleeps: what two readings agree on, a third one in between must have seen too.
        for _ in 0..<50 {
            let before = try reader.read(handle)
            let stat = try Self.text("/proc/\(number)/stat")
            let statm = try Self.text("/proc/\(number)/statm")
            guard try before == reader.read(handle) else { continue }
            let fields = try #require(stat.split(separator: ")").last).split(separator: " ")
            let ticks = try #require(Int64(fields[11])) + (try #require(Int64(fields[12])))
            let task = try #require(before.tasks?.first)
            #expect(before.tasks?.count == 1 && task.process == number)
            // Three threads that ended burned 450 ms; /proc counts in ticks of 10 ms, user and system time apart.
            #expect(task.cpuNanoseconds > 450_000_000)
            #expect(abs(Int64(task.cpuNanoseconds) - ticks * 10_000_000) <= 25_000_000, "\(task) and \(ticks)")
            #expect(task.began.nanoseconds == (try #require(Int64(fields[19]))) * 10_000_000)
            let pages = try #require(UInt64(statm.split(separator: " ")[1]))
            #expect(before.memory == pages * UInt64(getpagesize()) && before.memorySource == .process)
            return
        }
        Issue.record("the process never stood still")
    }

    @Test func aProcessThatEndedIsAbsentWhoeverHasItsNumber() throws {
        let process = try Self.worker()
        let reader = WorkloadReader(in: try NamespaceSockets(path: nil))
        let handle = try reader.open(.process(process.processID))
        #expect(try reader.read(handle).memory != nil)
        process.kill()
        let sample = try reader.read(handle)
        #expect(sample.tasks == nil && sample.memory == nil && sample.memorySource == nil)
        do throws(NetlinkError) {
            _ = try reader.open(.process(process.processID))
            Issue.record("opened a process that is gone")
        } catch {
            #expect(error.isNotFound)
        }
    }

    /// Version 1 where the memory controller is, version 2 (without it, on such a machine) where it is mounted.
    @Test(arguments: ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"])
    func controlGroups(root: String) throws {
        guard access("\(root)/cgroup.procs", R_OK) == 0 else { return }
        let path = "\(root)/otr-\(getpid())-\(Int.random(in: 0..<1_000_000))"
        let inner = "\(path)/libvirt"
        guard mkdir(path, 0o755) == 0, mkdir(inner, 0o755) == 0 else {
            Issue.record("cannot make \(inner), errno \(errno)")
            return
        }
        defer {
            rmdir(inner)
            rmdir(path)
        }
        let first = try Self.worker()
        let second = try Self.worker()
        defer {
            for process in [first, second] { process.kill() }
        }
        let reader = WorkloadReader(in: try NamespaceSockets(path: nil))
        let handle = try reader.open(.controlGroup(path: path))
        #expect(try reader.read(handle).tasks?.isEmpty ?? true)
        // One in the group itself, one in a group below it.
        let isFlat = access("\(path)/memory.usage_in_bytes", R_OK) == 0
        try Data("\(first.processID)".utf8).write(to: URL(filePath: "\(isFlat ? path : inner)/cgroup.procs"))
        try Data("\(second.processID)".utf8).write(to: URL(filePath: "\(inner)/cgroup.procs"))
        let sample = try reader.read(handle)
        #expect(
            Set(sample.tasks?.map(\.process) ?? []) == [first.processID, second.processID])
        #expect(sample.tasks?.allSatisfy { $0.cpuNanoseconds > 450_000_000 } == true)
        for file in [WorkloadSample.MemorySource.controlGroup1, .controlGroup2]
        where access("\(path)/\(file.rawValue)", R_OK) == 0 {
            #expect(sample.memorySource == file)
            let theirs = try #require(UInt64(Self.text("\(path)/\(file.rawValue)").dropLast()))
            let mine = try #require(sample.memory)
            #expect(mine.distance(to: theirs).magnitude < 4 << 20, "\(mine) and \(theirs)")
        }
        if sample.memorySource == .process { #expect((sample.memory ?? 0) > 60 << 20) }
    }

    /// The kernel's struct grows: an older, shorter one and a newer, longer one are read as far as both go.
    @Test(arguments: [328, 416, 560, 900])
    func structsOfOtherLengths(length: Int) {
        var answer = Self.answer(length: length)
        var stats = outrider_taskstats()
        #expect(unsafe outrider_taskstats_parse(answer, answer.count, &stats) == 0)
        #expect(stats.version == 16 && stats.process == 77 && stats.cpu_ns == 0x0102_0304_0506)
        #expect(stats.length == UInt32(length))
        answer = Self.answer(length: 60)
        #expect(unsafe outrider_taskstats_parse(answer, answer.count, &stats) == -EBADMSG)
    }

    /// A reply of the kernel with a struct of so many bytes.
    private static func answer(length: Int) -> [UInt8] {
        func little(_ number: some FixedWidthInteger) -> [UInt8] { CounterReaderTests.little(number) }
        var content = [UInt8](repeating: 0, count: length)
        content.replaceSubrange(0..<2, with: little(UInt16(16)))
        // Place of cpu_run_virtual_total in every version (linux/taskstats.h; fields are only added behind).
        let offset = 72
        if offset + 8 <= length { content.replaceSubrange(offset..<offset + 8, with: little(UInt64(0x0102_0304_0506))) }
        let process = little(UInt16(8)) + little(UInt16(2)) + little(UInt32(77))
        let statistics = little(UInt16(4 + length)) + little(UInt16(3)) + content
        let nest = little(UInt16(4 + process.count + statistics.count)) + little(UInt16(5)) + process + statistics
        let body: [UInt8] = [2, 1, 0, 0] + nest
        return little(UInt32(16 + body.count)) + little(UInt16(31)) + [0, 0] + little(UInt32(1)) + little(UInt32(0))
            + body
    }

    @Test func filesThatAreNoNumbersAreRefused() throws {
        let folder = outrider_folder_open("/proc/self")
        defer { close(folder) }
        var value: UInt64 = 0
        #expect(unsafe outrider_folder_number(folder, "status", &value) == -EBADMSG)
        #expect(unsafe outrider_folder_number(folder, "nothing", &value) == -ENOENT)
        #expect(outrider_proc_open(-1) == -ESRCH && outrider_proc_open(0) == -ESRCH)
        let reader = WorkloadReader(in: try NamespaceSockets(path: nil))
        #expect(throws: NetlinkError.self) { try reader.open(.controlGroup(path: "/proc/self")) }
    }
}
