public import NetworkTypes

/// What the agent's latest reading brought, and what it keeps for the coordinator.
public struct AgentTelemetryReport: Hashable, Sendable {
    /// One thing that is read.
    public struct Source: Hashable, Sendable {
        /// `ports`, `tunnels`, `workloads`, `flows`, `observed` or `disk`.
        public var name: String
        /// Rows of the latest reading; nil when it failed.
        public var rows: Int?
        public var error: String?
        public init(name: String, rows: Int?, error: String?) {
            self.name = name
            self.rows = rows
            self.error = error
        }
    }
    /// One pair of VMs.
    public struct Pair: Hashable, Sendable {
        public var source: SessionNetworkID
        public var destination: SessionNetworkID
        public var bytes: UInt64
        public var packets: UInt64
        public init(source: SessionNetworkID, destination: SessionNetworkID, bytes: UInt64, packets: UInt64) {
            self.source = source
            self.destination = destination
            self.bytes = bytes
            self.packets = packets
        }
    }
    /// One application since the reading before; what is not known is nil.
    public struct Application: Hashable, Sendable {
        public var application: ApplicationID
        public var receivedBytes, sentBytes, receivedPackets, sentPackets, droppedPackets: UInt64?
        public var tunnelBytes, tunnelPackets: UInt64?
        public var cpu: Duration?
        public var memoryBytes: UInt64?
        public var memoryVMs = 0
        /// The largest, descending; nil when the flows were not read.
        public var pairs: [Pair]?
        public var unread = 0
        public var unbased = 0
        public var reset = 0
        public var late = 0
        public init(application: ApplicationID) { self.application = application }
    }
    /// One interface that another system manages.
    public struct Observed: Hashable, Sendable {
        public var interface: String
        public var application: ApplicationID
        /// UUID of the VM, else the interface's name.
        public var vm: String
        public var vmName: String?
        /// Absolute counters, from the VM's side.
        public var receivedBytes, sentBytes, receivedPackets, sentPackets: UInt64
        public init(
            interface: String, application: ApplicationID, vm: String, vmName: String?, receivedBytes: UInt64,
            sentBytes: UInt64, receivedPackets: UInt64, sentPackets: UInt64
        ) {
            self.interface = interface
            self.application = application
            self.vm = vm
            self.vmName = vmName
            self.receivedBytes = receivedBytes
            self.sentBytes = sentBytes
            self.receivedPackets = receivedPackets
            self.sentPackets = sentPackets
        }
    }
    public struct Backlog: Hashable, Sendable {
        public var batches = 0
        public var intervals = 0
        public var folded: UInt64 = 0
        public var lost: UInt64 = 0
        public init() {}
    }

    public var interval: Duration
    /// Since the latest reading; nil before the first.
    public var age: Duration?
    /// What the latest reading took.
    public var took: Duration?
    public var sources: [Source] = []
    public var applications: [Application] = []
    /// Pairs that are remembered.
    public var flows = 0
    /// Changes in the overlay's namespace that were not the agent's own, by kind, since it started: `link`, `neighbor`,
    /// `route`, `nexthop`, `overrun`.
    public var events: [String: UInt64] = [:]
    public var backlog = Backlog()
    /// By name.
    public var observed: [Observed] = []
    public init(interval: Duration) { self.interval = interval }
}

extension AgentTelemetryReport {
    var json: JSONValue {
        .fields([
            "interval_ms": .milliseconds(interval), "age_ms": age.map { .milliseconds($0) },
            "took_us": took.map { .number($0.inNanoseconds / 1000) },
            "sources": .array(
                sources.map { source in
                    .fields([
                        "name": .string(source.name), "rows": source.rows.map { .number($0) },
                        "error": source.error.map { .string($0) },
                    ])
                }), "applications": .array(applications.map(\.json)), "flows": .number(flows),
            "events": .object(events.mapValues { .number($0) }),
            "backlog": [
                "batches": .number(backlog.batches), "intervals": .number(backlog.intervals),
                "folded": .number(backlog.folded), "lost": .number(backlog.lost),
            ], "observed": .array(observed.map(\.json)),
        ])
    }

    init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "telemetry", known: nil)
        self.init(interval: .milliseconds(Int64(clamping: try fields.number("interval_ms"))))
        age = try fields.integer("age_ms", in: 0...Int64.max).map { .milliseconds($0) }
        took = try fields.integer("took_us", in: 0...Int64.max).map { .microseconds($0) }
        sources = try fields.list("sources") { (value) throws(VarlinkFailure) in
            let part = try Fields(value, name: "telemetry.sources", known: nil)
            return Source(
                name: try part.text("name"), rows: part.isAbsent("rows") ? nil : try part.count("rows"),
                error: part.isAbsent("error") ? nil : try part.text("error"))
        }
        applications = try fields.list("applications") { (value) throws(VarlinkFailure) in
            try Application(json: value)
        }
        flows = try fields.count("flows")
        let changes = try Fields(json["events"] ?? .object([:]), name: "telemetry.events", known: nil)
        for kind in (changes.json.object ?? [:]).keys { events[kind] = try changes.number(kind) }
        let kept = try Fields(json["backlog"] ?? .null, name: "telemetry.backlog", known: nil)
        backlog.batches = try kept.count("batches")
        backlog.intervals = try kept.count("intervals")
        backlog.folded = try kept.number("folded")
        backlog.lost = try kept.number("lost")
        // Agents of version 0.1 do not tell.
        guard !fields.isAbsent("observed") else { return }
        observed = try fields.list("observed") { (value) throws(VarlinkFailure) in try Observed(json: value) }
    }
}

extension AgentTelemetryReport.Observed {
    fileprivate var json: JSONValue {
        .fields([
            "interface": .string(interface), "application": .text(application), "vm": .string(vm),
            "vm_name": vmName.map { .string($0) }, "rx_bytes": .number(receivedBytes),
            "tx_bytes": .number(sentBytes), "rx_packets": .number(receivedPackets),
            "tx_packets": .number(sentPackets),
        ])
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "telemetry.observed", known: nil)
        self.init(
            interface: try fields.text("interface"), application: try fields.value("application", "a UUID"),
            vm: try fields.text("vm"), vmName: fields.isAbsent("vm_name") ? nil : try fields.text("vm_name"),
            receivedBytes: try fields.number("rx_bytes"), sentBytes: try fields.number("tx_bytes"),
            receivedPackets: try fields.number("rx_packets"), sentPackets: try fields.number("tx_packets"))
    }
}

extension AgentTelemetryReport.Application {
    fileprivate var json: JSONValue {
        .fields([
            "application": .text(application), "rx_bytes": receivedBytes.map { .number($0) },
            "tx_bytes": sentBytes.map { .number($0) }, "rx_packets": receivedPackets.map { .number($0) },
            "tx_packets": sentPackets.map { .number($0) }, "dropped_packets": droppedPackets.map { .number($0) },
            "tunnel_rx_bytes": tunnelBytes.map { .number($0) },
            "tunnel_rx_packets": tunnelPackets.map { .number($0) },
            "cpu_us": cpu.map { .number($0.inNanoseconds / 1000) },
            "memory_bytes": memoryBytes.map { .number($0) }, "memory_vms": .number(memoryVMs),
            "pairs": pairs.map { pairs in
                .array(
                    pairs.map {
                        [
                            "source": .number($0.source.rawValue), "destination": .number($0.destination.rawValue),
                            "bytes": .number($0.bytes), "packets": .number($0.packets),
                        ]
                    })
            },
            "gaps": [
                "unread": .number(unread), "unbased": .number(unbased), "reset": .number(reset), "late": .number(late),
            ],
        ])
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "telemetry.applications", known: nil)
        func number(_ key: String) throws(VarlinkFailure) -> UInt64? {
            fields.isAbsent(key) ? nil : try fields.number(key)
        }
        self.init(application: try fields.value("application", "a UUID"))
        receivedBytes = try number("rx_bytes")
        sentBytes = try number("tx_bytes")
        receivedPackets = try number("rx_packets")
        sentPackets = try number("tx_packets")
        droppedPackets = try number("dropped_packets")
        tunnelBytes = try number("tunnel_rx_bytes")
        tunnelPackets = try number("tunnel_rx_packets")
        cpu = try number("cpu_us").map { .microseconds(Int64(clamping: $0)) }
        memoryBytes = try number("memory_bytes")
        memoryVMs = try fields.count("memory_vms")
        if !fields.isAbsent("pairs") {
            pairs = try fields.list("pairs") { (value) throws(VarlinkFailure) in
                let part = try Fields(value, name: "telemetry.applications.pairs", known: nil)
                return AgentTelemetryReport.Pair(
                    source: try part.sni("source"), destination: try part.sni("destination"),
                    bytes: try part.number("bytes"), packets: try part.number("packets"))
            }
        }
        let gaps = try Fields(json["gaps"] ?? .null, name: "telemetry.applications.gaps", known: nil)
        unread = try gaps.count("unread")
        unbased = try gaps.count("unbased")
        reset = try gaps.count("reset")
        late = try gaps.count("late")
    }
}
