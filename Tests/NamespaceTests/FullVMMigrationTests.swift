import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes
import Testing

/// A live migration as a hypervisor does it: a kernel of its own moves with its memory from one host to another while
/// others talk to it.
@Suite(.serialized)
struct FullVMMigrationTests {
    /// A TCP connection that says a line now and then and wants it back: what it got at last, and how often.
    private static let talker = """
        import socket, sys, time
        s = socket.create_connection((sys.argv[1], 7), timeout=30)
        f = s.makefile("rw")
        n = 0
        print("connected", flush=True)
        while True:
            f.write(f"{n}\\n")
            f.flush()
            if f.readline() != f"{n}\\n": sys.exit(f"another answer to {n}")
            n += 1
            print(n, flush=True)
            time.sleep(0.05)
        """

    private func kernelRun(_ journey: Journey) throws -> String {
        let script = """
            import socket, sys
            s = socket.create_connection((sys.argv[1], 9), timeout=30)
            print(s.makefile().readline().strip())
            """
        let address = journey.traveller.attachment.addressing.ipv4
        return try Command.run(
            ["python3", "-c", script, "\(address)"], namespace: journey.talkers[2].slot.name, timeout: .seconds(60))
    }

    private func exchanges(_ child: ChildProcess) -> Int {
        child.outputText.split(separator: "\n").last.flatMap { Int($0) } ?? 0
    }

    @Test(arguments: [Underlay.Endpoints.ipv4, .ipv6])
    func aRunningKernelMovesAndNobodyMeetsItTwice(_ endpoints: Underlay.Endpoints) async throws {
        let family = endpoints.rawValue.suffix(1)
        let folder = NSTemporaryDirectory() + "otr-\(getpid())-traveller\(family)"
        try? FileManager.default.removeItem(atPath: folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await TestBed.run(
            "qemu\(family)", hosts: 3, endpoints: endpoints, agent: ["reconcile-interval": "1h"]
        ) { bed in
            let overlays = bed.cluster.hosts.map(\.overlayNamespace)
            var here: VirtualMachine?
            let journey = try Journey(bed) {
                here = try VirtualMachine($0, in: overlays[0], folder: folder + "/here")
            }
            let source = try #require(here)
            defer { source.end() }
            try bed.cluster.waitUntil("its kernel has started", timeout: .seconds(30)) {
                source.console.contains("traveller: 6.1")
            }
            let run = try kernelRun(journey)
            let connections = try connect(journey, folder)
            defer { for connection in connections { connection.kill() } }
            try wait(for: connections, in: bed)

            try journey.prepare()
            let destination = try VirtualMachine(
                journey.traveller.attachment, in: overlays[1], folder: folder + "/there", incoming: folder + "/state")
            defer { destination.end() }
            try destination.waitUntilItListens()
            #expect(try journey.migration()?.phase == "MIGRATION_PHASE_PREPARING", "a silent guest has not arrived")
            try await migrate(journey, from: source, to: destination, through: folder + "/state")

            // The same run of the same kernel, its connections with it.
            #expect(try kernelRun(journey) == run)
            try wait(for: connections, in: bed)
            for connection in connections { #expect(connection.isRunning, "\(connection.outputText.suffix(200))") }
            #expect(try journey.traces(at: journey.source) == ["route elsewhere"])
            #expect(try journey.traces(at: journey.destination) == ["port", "route to port", "ingress"])
            #expect(try journey.traces(at: bed.cluster.hosts[2]) == ["route elsewhere"])
        }
    }

    private func connect(_ journey: Journey, _ folder: String) throws -> [ChildProcess] {
        try journey.traveller.addresses.map { address in
            try ChildProcess(
                ["python3", "-c", Self.talker, "\(address)"], namespace: journey.talkers[2].slot.name,
                output: folder + "/tcp\(address == journey.traveller.ipv4 ? 4 : 6)")
        }
    }

    /// A few more lines come back on every connection.
    private func wait(for connections: [ChildProcess], in bed: TestBed) throws {
        let before = connections.map(exchanges)
        try bed.cluster.waitUntil("lines come back", timeout: .seconds(30)) {
            zip(connections, before).allSatisfy { exchanges($0) > $1 + 3 }
        }
    }

    private func migrate(
        _ journey: Journey, from source: VirtualMachine, to destination: VirtualMachine, through socket: String
    ) async throws {
        let old = try PortSniffer(journey.port, in: journey.source.overlayNamespace)
        let new = try PortSniffer(journey.port, in: journey.destination.overlayNamespace)
        let streams = try await journey.underPings(every: .milliseconds(20)) {
            try await Task.sleep(for: .milliseconds(500))
            try source.ask("migrate", ["uri": "unix:\(socket)"])
            try journey.bed.cluster.waitUntil("QEMU has moved it", timeout: .seconds(60)) {
                (try? source.ask("query-migrate")) == "completed"
            }
            try journey.wait(until: "all have followed") { $0?.phase == "MIGRATION_PHASE_DROPPED" }
            try await Task.sleep(for: .seconds(1))
        }
        #expect(try source.ask("query-status") == "postmigrate")
        #expect(try destination.ask("query-status") == "running")
        MigrationTests.check(try old.stop(), try new.stop(), streams: streams.count)
        for stream in streams {
            #expect(stream.repeated == 0 && stream.received > 30, "\(stream)")
            print("live migration: of \(stream.sent) \(stream.lost) lost, gap \(stream.longestGap)")
        }
    }
}
