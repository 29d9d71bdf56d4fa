import FleetProtocol
import NetworkTypes
import SimulationKit
import Telemetry
import Testing

/// A host whose truth is known: ports come and go, counters start anywhere, wrap, are reset, devices change under an
/// index, readings fail, the agent starts over.
private struct Host {
    struct Port {
        var application: ApplicationID
        var device: UInt64
        var isNew: Bool
        var isBound = true
        /// What the kernel shows.
        var counter: UInt64
    }

    var random: SeededGenerator
    var ports: [SessionNetworkID: Port] = [:]
    var ended: [PortReading] = []
    var nextDevice: UInt64 = 1
    var revision: UInt64 = 1
    /// True bytes per application since it all began, and what a correct engine may have missed since the last step.
    var truth: [ApplicationID: UInt64] = [:]
    var hidden: Set<ApplicationID> = []

    static let applications = (1...3).map { EngineTests.application($0) }

    init(_ random: SeededGenerator) { self.random = random }

    var targets: TelemetryTargets {
        TelemetryTargets(revision: revision, applications: ports.filter(\.value.isBound).mapValues(\.application))
    }

    mutating func launch() {
        let sni = EngineTests.sni(UInt32(0x1000 + random.integer(in: 0...19)))
        guard ports[sni] == nil, let application = random.pick(from: Self.applications) else { return }
        let isNew = random.chance(0.7)
        let nearEnd = UInt64.max - UInt64(random.integer(in: 0...5000))
        let start = isNew ? 0 : random.chance(0.3) ? nearEnd : random.next() >> 8
        ports[sni] = Port(application: application, device: nextDevice, isNew: isNew, counter: start)
        nextDevice += 1
        revision += 1
    }

    mutating func stop() {
        guard let sni = ports.keys.sorted().randomElement(using: &random), let port = ports[sni] else { return }
        revision += 1
        // The identifier is given back first; its port goes then or later.
        ports[sni]?.isBound = false
        guard !port.isBound || random.chance(0.5) else { return }
        if random.chance(0.7) { ended.append(reading(sni, port)) } else { hidden.insert(port.application) }
        ports[sni] = nil
    }

    mutating func work() {
        for sni in ports.keys.sorted() where random.chance(0.6) {
            let bytes = UInt64(random.integer(in: 0...3000))
            ports[sni]?.counter &+= bytes
            if let application = ports[sni]?.application { truth[application, default: 0] += bytes }
        }
    }

    /// Something that loses a part of the past.
    mutating func disturb() {
        guard let sni = ports.keys.sorted().randomElement(using: &random), let port = ports[sni] else { return }
        hidden.insert(port.application)
        // So near its end, a reset looks like a wrap: the one thing that counters alone can't tell.
        if random.chance(0.5), port.counter < 1 << 63 {
            ports[sni]?.counter = 0
        } else {
            ports[sni]?.device = nextDevice
            let isNew = random.chance(0.5)
            ports[sni]?.isNew = isNew
            ports[sni]?.counter = isNew ? 0 : random.next() >> 8
            nextDevice += 1
        }
    }

    func reading(_ sni: SessionNetworkID, _ port: Port) -> PortReading {
        PortReading(
            sni: sni, device: port.device, isNew: port.isNew, application: port.application,
            counters: TrafficCounters(receivedBytes: port.counter))
    }

    mutating func read(at seconds: Int) -> TelemetryReading {
        var result = TelemetryReading(at: EngineTests.at(Double(seconds)))
        result.tunnels = []
        result.flows = []
        result.endedPorts = ended
        ended = []
        if random.chance(0.1) {
            result.unreadPorts = ports.keys.sorted()
            hidden.formUnion(ports.values.map(\.application))
            return result
        }
        var rows: [PortReading] = []
        for sni in ports.keys.sorted() {
            guard let port = ports[sni] else { continue }
            if random.chance(0.05) {
                result.unreadPorts.append(sni)
                hidden.insert(port.application)
            } else {
                rows.append(reading(sni, port))
            }
        }
        result.ports = rows
        return result
    }
}

@Suite struct ModelTests {
    @Test func neverNegativeNeverInventedAndExactWhereNothingIsMarked() throws {
        try property("counted is true", iterations: 300) { random in
            var host = Host(random)
            var engine = TelemetryEngine(interval: .seconds(10))
            var counted: [ApplicationID: UInt64] = [:]
            var open: [ApplicationID: UInt64] = [:]
            for step in 1...60 {
                if random.chance(0.5) { host.launch() }
                host.work()
                if random.chance(0.2) { host.stop() }
                if random.chance(0.15) { host.disturb() }
                host.work()
                if random.chance(0.03) {
                    // The agent starts over: ports that it made are found, not made.
                    engine = TelemetryEngine(interval: .seconds(10))
                    for sni in host.ports.keys { host.ports[sni]?.isNew = false }
                    host.ended = []
                    host.hidden.formUnion(Host.applications)
                }
                let before = host.truth
                let result = engine.take(host.read(at: step * 10), targets: host.targets)
                for application in Host.applications {
                    let measure = result.applications[application] ?? ApplicationMeasure()
                    let bytes = measure.traffic?.receivedBytes ?? 0
                    counted[application, default: 0] += bytes
                    let (sum, truth) = (counted[application] ?? 0, before[application] ?? 0)
                    try hold(sum <= truth, "step \(step): \(sum) bytes counted, \(truth) sent")
                    let since = truth - (open[application] ?? 0)
                    if measure.gaps.isEmpty, !host.hidden.contains(application) {
                        try hold(bytes == since, "step \(step): \(bytes) bytes without a gap, \(since) sent")
                    }
                    // A gap may hold back what is counted in a later step: then start from here.
                    open[application] = truth
                    if !measure.gaps.isEmpty || host.hidden.contains(application) {
                        host.hidden.remove(application)
                    }
                }
            }
        }
    }

    @Test func tablesOfPairsKeepTheirBounds() throws {
        try property("pairs", iterations: 300) { random in
            var truth: [UInt32: UInt64] = [:]
            var table = PeerTable()
            for _ in 0..<random.integer(in: 1...30) {
                var step: [UInt32: UInt64] = [:]
                for _ in 0..<random.integer(in: 0...40) {
                    let pair = UInt32(random.integer(in: 1...random.integer(in: 1...200)))
                    step[pair, default: 0] += UInt64(random.integer(in: 1...1000))
                }
                for (pair, bytes) in step { truth[pair, default: 0] += bytes }
                table.merge(
                    PeerTable(
                        exact: step.map { pair, bytes in
                            PeerTraffic(
                                source: EngineTests.sni(1), destination: EngineTests.sni(pair), bytes: bytes, packets: 1
                            )
                        }))
                let total = truth.values.reduce(0, +)
                try hold(table.bytes == total, "sum")
                try hold(table.pairs.count <= PeerTable.pairsMax, "size")
                let most = table.absentBytesMax * UInt64(PeerTable.pairsMax)
                try hold(most <= total, "\(table.absentBytesMax) absent of \(total)")
                let named = Dictionary(uniqueKeysWithValues: table.pairs.map { ($0.destination.rawValue, $0) })
                for (pair, bytes) in truth {
                    guard let row = named[pair] else {
                        try hold(bytes <= table.absentBytesMax, "pair \(pair) with \(bytes) is absent")
                        continue
                    }
                    try hold(row.bytes <= bytes && bytes <= row.bytesMax, "pair \(pair) with \(bytes): \(row)")
                    try hold(row.missedBytesMax * UInt64(PeerTable.pairsMax) <= total, "error of \(row)")
                }
            }
        }
    }
}
