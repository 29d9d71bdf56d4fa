import Foundation
import LocalAPI
import NamespaceKit
import Synchronization
import Testing

/// The agent's program is replaced as a package manager does it, and restarted, while two VMs on two hosts are busy.
@Suite(.serialized)
struct UpgradeTests {
    private static let length = Duration.seconds(4)

    /// What got through in one run of a fixed length.
    private struct Run {
        var pings = PingStatistics()
        /// Of the iperf3 stream: payload, bytes; datagrams; those that did not arrive in the other VM's kernel.
        var bytes = 0
        var datagrams = 0
        var lostDatagrams = 0
        /// Arrived, and found iperf3's socket full: it had not been given the processor in time.
        var unread = 0
    }

    @Test func anUpgradeUnderLoadLosesNothing() async throws {
        let folder = NSTemporaryDirectory() + "otr-\(getpid())-programs"
        try Self.copyPrograms(to: folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await TestBed.run("upgrade", binaries: folder) { bed in
            let red = try bed.createApplication("red")
            let near = try bed.launch("red-1", of: red, on: 0)
            let far = try bed.launch("red-2", of: red, on: 1)
            for address in far.addresses { #expect(near.reaches(address, within: .seconds(5))) }
            let control = try await Self.run(bed, near, far) {}
            let host = bed.cluster.hosts[0]
            let program = bed.cluster.program("outrider-agent")
            let upgraded = try await Self.run(bed, near, far) {
                try await Task.sleep(for: .milliseconds(500))
                // The new file takes the old one's name while the old one runs.
                // Written by another process: what this one writes to may be open in a fork of another test's, and what is
                // open for writing can't be started.
                try Command.run([
                    "sh", "-c", "cp \"$0\" \"$0.new\" && printf upgraded >>\"$0.new\" && mv \"$0.new\" \"$0\"", program,
                ])
                let old = try #require(bed.cluster.agent(host))
                #expect(try Self.executable(of: old).hasSuffix("(deleted)"))
                #expect(old.stop() == 0)
                try bed.cluster.startAgent(host)
                #expect(try Self.executable(of: #require(bed.cluster.agent(host))) == program)
                try bed.waitUntilBinding(host)
            }
            print("control: \(control)\nupgrade: \(upgraded)")
            for run in [control, upgraded] {
                #expect(run.pings.sent > 4000 && run.datagrams > 4000 && run.bytes > 10_000_000)
            }
            #expect(upgraded.pings.lost <= control.pings.lost)
            #expect(upgraded.lostDatagrams <= control.lostDatagrams)
            #expect(try bed.socket(host).status().boundCount == 1)
        }
    }

    /// The agent's program as a file of its own, so that no other test meets the new one.
    private static func copyPrograms(to folder: String) throws {
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["outrider-coordinator", "outriderctl"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/\(name)", withDestinationPath: "\(TestBed.binaries)/\(name)")
        }
        try Command.run(["cp", "\(TestBed.binaries)/outrider-agent", "\(folder)/outrider-agent"])
    }

    private static func executable(of process: ChildProcess) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process.processID)/exe")
    }

    private struct Report: Decodable {
        struct End: Decodable { var sum: Sum }
        struct Sum: Decodable {
            var bytes: Int
            var packets: Int
            var lost_packets: Int
        }
        var end: End
    }

    /// RcvbufErrors of UDP (RFC 4113 has no such counter; Documentation/networking/snmp_counter.rst).
    private static func unreadDatagrams(_ guest: Guest) throws -> Int {
        let lines = try Command.run(["cat", "/proc/net/snmp"], namespace: guest.slot.name).split(separator: "\n")
            .filter { $0.hasPrefix("Udp:") }.map { $0.split(separator: " ") }
        let names = try #require(lines.first)
        let values = try #require(lines.last)
        let place = try #require(names.firstIndex(of: "RcvbufErrors"))
        return try #require(Int(values[place]))
    }

    /// 1,000 pings a second there, as many back in the other family, and 5,000 datagrams a second of iperf3, all the while
    /// that `disturb` runs and for a fixed length at least.
    private static func run(
        _ bed: TestBed, _ near: Guest, _ far: Guest, _ disturb: () async throws -> Void
    ) async throws -> Run {
        let server = try ChildProcess(
            ["iperf3", "-s", "-1", "-J"], namespace: far.slot.name,
            output: bed.cluster.settings.directory + "/iperf3-server.log")
        try bed.cluster.waitUntil("iperf3 listens", timeout: .seconds(5), by: server) {
            () throws(KitError) in
            try Command.run(["ss", "-Hltn", "sport = :5201"], namespace: far.slot.name).contains("5201")
        }
        let unreadBefore = try unreadDatagrams(far)
        let stop = StopFlag()
        let began = ContinuousClock.now
        let client = try ChildProcess(
            [
                "iperf3", "-c", "\(far.ipv4)", "-u", "-b", "50M", "-l", "1250", "-t", "\(length.components.seconds)",
                "-J",
            ], namespace: near.slot.name, output: bed.cluster.settings.directory + "/iperf3-client.log")
        async let there = offload { () throws(KitError) in
            near.slot.echoIPv4.stream(to: far.ipv4, every: .milliseconds(1), until: stop)
        }
        async let back = offload { () throws(KitError) in
            far.slot.echoIPv6.stream(to: near.ipv6, every: .milliseconds(1), until: stop)
        }
        defer { stop.raise() }
        try await disturb()
        try await Task.sleep(until: began + length)
        #expect(try client.wait(timeout: .seconds(20)) == 0, "\(client.outputText)")
        stop.raise()
        let (one, other) = try await (there, back)
        server.stop()
        let sum = try JSONDecoder().decode(Report.self, from: Data(client.outputText.utf8)).end.sum
        var run = Run(bytes: sum.bytes, datagrams: sum.packets)
        run.unread = try unreadDatagrams(far) - unreadBefore
        run.lostDatagrams = sum.lost_packets - run.unread
        run.pings.sent = one.sent + other.sent
        run.pings.received = one.received + other.received
        run.pings.longestGap = max(one.longestGap, other.longestGap)
        // The two logs are written anew by the next run.
        for name in ["server", "client"] {
            try FileManager.default.removeItem(atPath: bed.cluster.settings.directory + "/iperf3-\(name).log")
        }
        return run
    }
}
