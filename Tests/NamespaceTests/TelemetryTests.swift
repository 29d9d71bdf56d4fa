import Foundation
import Glibc
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// What the real agent reads of real VMs.
@Suite(.serialized)
struct TelemetryTests {
    @Test func trafficCPUMemoryAndPairsOfAnApplication() async throws {
        try await TestBed.run("tel") { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            let host = bed.cluster.hosts[0]
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            // A process that works stands for the VM's.
            let worker = try ChildProcess(
                ["python3", "-c", "x = bytearray(40 << 20)\nwhile True: pass"], output: "/dev/null")
            defer { worker.kill() }
            let again = try bed.socket(host).attach(
                application: red, vm: "red-1", into: near.slot, timeout: .seconds(5),
                workload: .process(worker.processID))
            #expect(again.sni == near.attachment.sni)
            let stop = StopFlag()
            async let stream = offload { () throws(KitError) in
                near.slot.echoIPv4.stream(to: far.ipv4, every: .milliseconds(2), until: stop)
            }
            try bed.cluster.waitUntil("everything is read", timeout: .seconds(20)) { () throws(KitError) in
                guard let telemetry = try bed.socket(host).status().telemetry,
                    let row = telemetry.applications.first(where: { $0.application == red })
                else { return false }
                let pair = row.pairs?.first {
                    $0.source == near.attachment.sni && $0.destination == far.attachment.sni
                }
                return telemetry.sources.allSatisfy { $0.error == nil } && (row.receivedBytes ?? 0) > 100
                    && (row.sentBytes ?? 0) > 100 && (row.tunnelBytes ?? 0) > 100 && (pair?.bytes ?? 0) > 100
                    && (row.cpu ?? .zero) > .milliseconds(5) && (row.memoryBytes ?? 0) > 40 << 20
                    && row.memoryVMs == 1
            }
            stop.raise()
            #expect(try await stream.lost == 0)
            // Counted at the source: the other host names its own VM's replies only.
            let other = try bed.socket(bed.cluster.hosts[1]).status().telemetry
            let sources = other?.applications.compactMap(\.pairs).flatMap { $0 }.map(\.source) ?? []
            #expect(sources.allSatisfy { $0 == far.attachment.sni })
            // The same in the words of the operator's tool.
            let text = try Command.run([
                bed.cluster.program("outriderctl"), "agent", "show", "--agent-socket", host.socket, "--output", "json",
            ])
            #expect(text.contains("\"telemetry\"") && text.contains("\"cpu_us\""))
            worker.kill()
            try bed.cluster.waitUntil("a dead process is a gap", timeout: .seconds(10)) { () throws(KitError) in
                let row = try bed.socket(host).status().telemetry?.applications.first { $0.application == red }
                return row?.memoryBytes == nil && row?.cpu == nil && (row?.unread ?? 0) > 0
            }
        }
    }

    @Test func aProcessThatIsNotThereIsRefusedBeforeAnythingIsBound() async throws {
        try await TestBed.run("telno", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            let slot = try bed.freeSlot()
            for workload in [WorkloadWish.process(Int32.max), .controlGroup("/proc/self"), .controlGroup("/nowhere")] {
                do throws(KitError) {
                    _ = try bed.socket(bed.cluster.hosts[0]).attach(
                        application: red, vm: "red-1", into: slot, timeout: .seconds(5), workload: workload)
                    Issue.record("attached with \(workload)")
                } catch {
                    #expect("\(error)".contains("workload"))
                }
            }
            #expect(try bed.socket(bed.cluster.hosts[0]).status().boundCount == 0)
        }
    }

    /// While the coordinator is away its aggregates wait on disk, also through the death of the agent.
    @Test func aggregatesWaitForTheCoordinatorThroughARestart() async throws {
        try await TestBed.run("telbl", hosts: 1) { bed in
            let red = try bed.createApplication("red")
            _ = try bed.launch("red-1", of: red, on: 0)
            let host = bed.cluster.hosts[0]
            bed.cluster.coordinator?.kill()
            func intervals() throws(KitError) -> Int {
                try bed.socket(host).status().telemetry?.backlog.intervals ?? 0
            }
            try bed.cluster.waitUntil("forty wait", timeout: .seconds(40)) { () throws(KitError) in
                try intervals() >= 40
            }
            bed.cluster.agent(host)?.kill()
            try bed.cluster.startAgent(host)
            var first: AgentTelemetryReport.Backlog?
            try bed.cluster.waitUntil("the agent answers", timeout: .seconds(10)) { () throws(KitError) in
                first = (try? bed.socket(host).status())?.telemetry?.backlog
                return first != nil
            }
            // Its first word: an agent that has forgotten would need eight seconds for as many.
            #expect((first?.intervals ?? 0) >= 40 && first?.lost == 0)
            try bed.cluster.startCoordinator()
            try bed.waitUntilBinding(host)
            try bed.cluster.waitUntil("the coordinator has them", timeout: .seconds(10)) { () throws(KitError) in
                try intervals() <= 2
            }
        }
    }
}

/// As many VMs as a test has patience for.
@Suite(.serialized)
struct FullTelemetryTests {
    private static let machines = 1000

    /// Every one of 1,000 ports is in every reading, with a process each; what the agent needs for it is printed.
    @Test func aThousandVMs() async throws {
        try await TestBed.run("telbig", hosts: 1) { bed in
            let host = bed.cluster.hosts[0]
            let applications = try (0..<8).map { try bed.createApplication("app-\($0)") }
            let process = try ChildProcess(["sleep", "3600"], output: "/dev/null")
            defer { process.kill() }
            var client = try AgentClient(path: host.socket)
            for number in 0..<Self.machines {
                let interface = try #require(VMInterface(vm: "vm-\(number)", nic: 0))
                _ = try client.attach(
                    AttachCall(
                        application: applications[number % applications.count], interface: interface,
                        port: .tap(uid: nil, gid: nil), timeout: .seconds(30), workload: .process(process.processID)),
                    timeout: .seconds(40))
            }
            let agent = try #require(bed.cluster.agent(host))
            var rows: [String: Int] = [:]
            var took = Duration.zero
            try bed.cluster.waitUntil("all are read", timeout: .seconds(60)) { () throws(KitError) in
                guard let telemetry = try bed.socket(host).status().telemetry else { return false }
                for source in telemetry.sources { rows[source.name] = source.rows }
                took = telemetry.took ?? .zero
                return rows["ports"] == Self.machines && rows["workloads"] == Self.machines
                    && telemetry.applications.count == applications.count
                    && telemetry.applications.allSatisfy { $0.unread + $0.unbased + $0.reset == 0 }
            }
            let statm = try String(contentsOfFile: "/proc/\(agent.processID)/statm", encoding: .utf8)
            let pages = try #require(Int(statm.split(separator: " ")[1]))
            print("agent with \(Self.machines) VMs: \((pages * Int(getpagesize())) >> 20) MB, a reading took \(took)")
        }
    }
}
