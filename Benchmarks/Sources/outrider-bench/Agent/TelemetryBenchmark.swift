import CBareLoop
import FleetProtocol
import Foundation
import NamespaceKit
import Netlink
import NetworkTypes
import Telemetry

/// Reading 4,000 ports: against `ip -s -j link` and a bare C loop on the same devices in the same rounds, and a whole
/// interval with blocks, processes and pairs.
enum TelemetryBenchmark {
    static let ports = 4000
    static let blocks = 250
    static let pairs = 10_000
    static let processes = 500
    private static let rounds = 15
    private static let intervals = 20

    static func run() throws {
        let base = "otr-bench-\(ProcessInfo.processInfo.processIdentifier)"
        let names = [base + "h", base + "o"]
        try NetworkNamespace.create(names)
        defer { try? NetworkNamespace.remove(names) }
        let overlay = try NamespaceSockets(path: NetworkNamespace.path(names[1]))
        try makePorts(overlay)
        try comparePorts(names[1], overlay)
        try makeTunnel(host: names[0], overlay: names[1])
        let flows = try makeFlows(names[1], overlay)
        var children: [ChildProcess] = []
        defer { for child in children { child.kill() } }
        for _ in 0..<processes { children.append(try ChildProcess(["sleep", "600"], output: "/dev/null")) }
        try wholeInterval(overlay, flows, children)
    }

    // MARK: What is read

    private static func makePorts(_ overlay: NamespaceSockets) throws {
        for number in 0..<ports {
            let tap = try overlay.openTap(name: name(number), persistent: true)
            close(tap)
        }
    }

    private static func name(_ number: Int) -> String { "sni" + String(4096 + number, radix: 16) }

    private static func makeTunnel(host: String, overlay: String) throws {
        try Command.ipBatch(
            [
                "link add outrider type vxlan dstport 4789 local 192.0.2.1 external vnifilter nolearning",
                "link set outrider netns \(overlay)",
            ], namespace: host)
        for block in 0..<blocks {
            try Command.run(["bridge", "-n", overlay, "vni", "add", "vni", "\(4096 + 16 * block)", "dev", "outrider"])
        }
    }

    private static func makeFlows(_ name: String, _ overlay: NamespaceSockets) throws -> FlowReader {
        let reader = try FlowReader(device: "outrider", plan: .standard, in: overlay)
        try reader.ensure()
        var elements: [String] = []
        for pair in 0..<pairs {
            let source = OverlayPlan.standard.ipv4(of: SessionNetworkID(unchecked: UInt32(4096 + pair % ports)))
            let target = OverlayPlan.standard.ipv4(of: SessionNetworkID(unchecked: UInt32(65_536 + pair)))
            elements.append("\(source) . \(target) counter packets 10 bytes 1000")
        }
        let file = NSTemporaryDirectory() + name + ".nft"
        let text = "add element inet outrider_flows flows4 { \(elements.joined(separator: ", ")) }\n"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        try Command.run(["nft", "-f", file], namespace: name)
        try reader.read()
        precondition(reader.flows.count == pairs, "\(reader.flows.count) pairs instead of \(pairs)")
        return reader
    }

    // MARK: Ports alone

    /// What `ip -s -j link` says of a device, as far as ours says it.
    private struct Row: Decodable {
        struct Stats: Decodable {
            struct Side: Decodable { var bytes, packets, errors, dropped: UInt64 }
            var rx, tx: Side
        }
        var ifindex: Int
        var stats64: Stats
    }

    private static func comparePorts(_ name: String, _ overlay: NamespaceSockets) throws {
        let reader = try CounterReader(in: overlay)
        let bare = bare_open(overlay.namespace.fd)
        precondition(bare >= 0, "no socket: errno \(-bare)")
        defer { close(bare) }
        var rows = [bare_row](repeating: bare_row(), count: 2 * ports)
        var sums: [UInt64] = []
        func read() throws -> Int {
            var (count, bytes) = (0, UInt64(0))
            try reader.readLinks {
                count += 1
                bytes &+= $0.receivedBytes &+ $0.sentBytes &+ $0.receivedPackets &+ $0.sentPackets
            }
            sums.append(bytes)
            return count
        }
        sums.reserveCapacity(1000)
        let clock = ContinuousClock()
        var (ours, theirs, tools, parsing): ([Duration], [Duration], [Duration], [Duration]) = ([], [], [], [])
        for _ in 0..<rounds {
            for _ in 0..<5 {
                ours.append(
                    try clock.measure {
                        let count = try read()
                        precondition(count > ports)
                    })
                theirs.append(clock.measure { precondition(unsafe bare_dump(bare, &rows, rows.count) > ports) })
            }
            var text = ""
            tools.append(try clock.measure { text = try Command.run(["ip", "-n", name, "-s", "-j", "link"]) })
            parsing.append(
                try clock.measure {
                    let found = try JSONDecoder().decode([Row].self, from: Data(text.utf8))
                    precondition(found.count > ports)
                })
        }
        let (us, c, ip, json) = (median(ours), median(theirs), median(tools), median(parsing))
        Results.note("telemetry: \(ports) ports, read and parsed", us, "us")
        Results.note("telemetry: bare C loop", c, "us")
        Results.note("telemetry: ip -s -j link", ip, "us")
        Results.note("telemetry: and its output parsed", json, "us")
        Results.note("telemetry: ours / bare C loop", us / c, "", bar: 1.5)
        // Nobody who reads counters gets below the loop: this says how much there is to win at all.
        Results.note("telemetry: ip -s -j link / bare C loop", ip / c, "")
        Results.note("telemetry: ip -s -j link / ours", ip / us, "")
        Results.note("telemetry: with its parsing / ours", (ip + json) / us, "", floor: 100)
        PythonPeer.note("telemetry: pyroute2", try PythonPeer.readLinks(in: name).map { $0 * 1e6 }, "us")
        let before = counting_allocations()
        for _ in 0..<20 { _ = try read() }
        Results.note(
            "telemetry: allocations per reading", Double(counting_allocations() - before) / 20, "", bar: 40)
    }

    // MARK: A whole interval

    private static func wholeInterval(
        _ overlay: NamespaceSockets, _ flows: FlowReader, _ children: [ChildProcess]
    ) throws {
        let counters = try CounterReader(in: overlay)
        let route = try RouteSocket(in: overlay)
        guard let device = try route.link(named: "outrider") else { preconditionFailure("no device") }
        let workloads = WorkloadReader(in: try NamespaceSockets(path: nil))
        let handles = try (0..<ports).map { try workloads.open(.process(children[$0 % children.count].processID)) }
        let targets = targets()
        var byIndex: [Int: SessionNetworkID] = [:]
        for link in try route.links() where link.name.hasPrefix("sni") {
            guard let number = UInt32(link.name.dropFirst(3), radix: 16) else { continue }
            byIndex[link.index] = SessionNetworkID(unchecked: number)
        }
        precondition(byIndex.count == ports)
        var engine = TelemetryEngine(interval: .seconds(10))
        let resident = residentMegabytes()
        var spent: [String: Double] = [:]
        func part(_ name: String, _ body: () throws -> Void) rethrows {
            let before = processCPU()
            try body()
            spent[name, default: 0] += processCPU() - before
        }
        for interval in 0..<intervals + 2 {
            // The first two fill memory and books.
            if interval == 2 { spent = [:] }
            var reading = TelemetryReading(at: Instant(nanoseconds: Int64(interval) * 10_000_000_000), tunnelDevice: 1)
            try part("ports") { reading.ports = try portReadings(counters, byIndex) }
            try part("tunnels") { reading.tunnels = try tunnelReadings(counters, device.index) }
            try part("processes") { try read(handles, workloads, into: &reading) }
            try part("flows") {
                try flows.read()
                reading.flows = flows.flows.map {
                    FlowReading(
                        source: $0.source, destination: $0.destination, isIPv6: $0.isIPv6, bytes: $0.bytes,
                        packets: $0.packets)
                }
                reading.unattributedPackets = try flows.overflow()
            }
            part("deltas") {
                let step = engine.take(reading, targets: targets)
                precondition(step.applications.count == 100)
            }
        }
        for name in spent.keys.sorted() {
            Results.note(
                "telemetry: CPU per interval, \(name)", (spent[name] ?? 0) / Double(intervals) * 1e3, "ms")
        }
        let share = spent.values.reduce(0, +) / Double(intervals) / 10 * 100
        Results.note("telemetry: of one core at 10 s, \(ports) ports", share, "%", bar: 2)
        Results.note("telemetry: resident memory for it", residentMegabytes() - resident, "MB", bar: 80)
    }

    private static func targets() -> TelemetryTargets {
        var targets = TelemetryTargets(revision: 1)
        for number in 0..<ports {
            targets.applications[SessionNetworkID(unchecked: UInt32(4096 + number))] = application(number)
        }
        for block in 0..<blocks {
            targets.blocks[SessionNetworkID(unchecked: UInt32(4096 + 16 * block))] = application(16 * block)
        }
        return targets
    }

    private static func application(_ number: Int) -> ApplicationID {
        ApplicationID(UUID128(high: 7, low: UInt64(number / 16 % 100)))
    }

    private static func portReadings(
        _ counters: CounterReader, _ byIndex: [Int: SessionNetworkID]
    ) throws -> [PortReading] {
        var rows: [PortReading] = []
        rows.reserveCapacity(byIndex.count)
        try counters.readLinks { row in
            guard let sni = byIndex[row.index] else { return }
            rows.append(
                PortReading(
                    sni: sni, device: UInt64(row.index), isNew: false, application: nil,
                    counters: TrafficCounters(
                        receivedBytes: row.sentBytes, sentBytes: row.receivedBytes, receivedPackets: row.sentPackets,
                        sentPackets: row.receivedPackets, droppedPackets: row.receiveDrops &+ row.sendDrops)))
        }
        return rows
    }

    private static func tunnelReadings(_ counters: CounterReader, _ index: Int) throws -> [TunnelReading] {
        var rows: [TunnelReading] = []
        try counters.readTunnels(index: index) {
            rows.append(
                TunnelReading(
                    vni: $0.vni,
                    counters: TunnelCounters(receivedBytes: $0.receivedBytes, receivedPackets: $0.receivedPackets)))
        }
        return rows
    }

    private static func read(
        _ handles: [WorkloadReader.Handle], _ reader: WorkloadReader, into reading: inout TelemetryReading
    ) throws {
        for (number, handle) in handles.enumerated() {
            let sni = SessionNetworkID(unchecked: UInt32(4096 + number))
            let sample = try reader.read(handle)
            for task in sample.tasks ?? [] {
                reading.tasks.append(
                    TaskReading(
                        sni: sni, process: Int32(number), began: task.began, cpuNanoseconds: task.cpuNanoseconds))
            }
            if let bytes = sample.memory { reading.memory.append(MemoryReading(sni: sni, bytes: bytes)) }
        }
        precondition(reading.tasks.count == handles.count)
    }
}
