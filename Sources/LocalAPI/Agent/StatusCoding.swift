import NetworkTypes

extension AgentStatusReport {
    public var json: JSONValue {
        .fields([
            "host": .string(host), "incarnation": .string(incarnation), "boot": .string(boot),
            "recovering": .bool(recovering), "binding_stopped": bindingStopped.map { .string($0) },
            "journal_sequence": .number(journalSequence), "grant": grant?.json,
            "coordinator": .fields([
                "connected": .bool(connected), "silent_ms": silentFor.map { .milliseconds($0) },
                "position": .string(position), "acknowledged": .string(acknowledged),
            ]), "leases": .array(leases.map(\.json)), "bindings": .array(bindings.map(\.json)), "counts": counts.json,
            "dataplane": dataplane?.json, "telemetry": telemetry?.json,
            "damaged_journals": .array(damagedJournals.map { .string($0) }),
        ])
    }

    public init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, known: nil)
        let link = try Fields(json["coordinator"] ?? .null, name: "coordinator", known: nil)
        self.init(
            host: try fields.text("host"), incarnation: try fields.text("incarnation"), boot: try fields.text("boot"),
            recovering: try fields.flag("recovering"),
            bindingStopped: fields.isAbsent("binding_stopped") ? nil : try fields.text("binding_stopped"),
            journalSequence: try fields.number("journal_sequence"),
            grant: fields.isAbsent("grant") ? nil : try Grant(json: json["grant"] ?? .null),
            connected: try link.flag("connected"),
            silentFor: try link.integer("silent_ms", in: 0...Int64.max).map { .milliseconds($0) },
            position: try link.text("position"), acknowledged: try link.text("acknowledged"),
            leases: try fields.list("leases") { (value) throws(VarlinkFailure) in try Lease(json: value) },
            bindings: try fields.list("bindings") { (value) throws(VarlinkFailure) in try Binding(json: value) },
            counts: try Counts(json: json["counts"] ?? .null),
            dataplane: fields.isAbsent("dataplane") ? nil : try Dataplane(json: json["dataplane"] ?? .null),
            telemetry: fields.isAbsent("telemetry")
                ? nil : try AgentTelemetryReport(json: json["telemetry"] ?? .null))
        // An older agent says nothing of them.
        damagedJournals = fields.isAbsent("damaged_journals") ? [] : try fields.texts("damaged_journals")
    }
}

extension AgentStatusReport.Grant {
    fileprivate var json: JSONValue {
        [
            "boot": .string(boot), "overlay_ipv4": .string(overlayIPv4), "overlay_ipv6": .string(overlayIPv6),
            "mtu": .number(mtu), "vxlan_port": .number(vxlanPort), "bind_until_ms": .milliseconds(bindUntil),
            "cooldown_ms": .milliseconds(cooldown), "aggregate_interval_ms": .milliseconds(aggregateInterval),
        ]
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "grant", known: nil)
        func time(_ key: String) throws(VarlinkFailure) -> Duration {
            .milliseconds(Int64(clamping: try fields.number(key)))
        }
        self.init(
            boot: try fields.text("boot"), overlayIPv4: try fields.text("overlay_ipv4"),
            overlayIPv6: try fields.text("overlay_ipv6"), mtu: try fields.count("mtu"),
            vxlanPort: try fields.count("vxlan_port"), bindUntil: try time("bind_until_ms"),
            cooldown: try time("cooldown_ms"), aggregateInterval: try time("aggregate_interval_ms"))
    }
}

extension AgentStatusReport.Lease {
    fileprivate var json: JSONValue {
        [
            "first": .number(block.first.rawValue), "size": .number(block.size), "application": .text(application),
            "epoch": .number(epoch.rawValue), "staged": .bool(staged), "marked": .bool(marked),
            "drained": .bool(drained), "bound": .number(bound), "cooling": .number(cooling),
            "available": .number(available),
        ]
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "leases", known: nil)
        guard let block = SNIBlock(first: try fields.sni("first"), size: try fields.count("size")) else {
            throw .invalidParameter("leases.size", reason: "a power of two that divides first")
        }
        self.init(
            block: block, application: try fields.value("application", "a UUID"),
            epoch: Epoch(try fields.number("epoch")), staged: try fields.flag("staged"),
            marked: try fields.flag("marked"), drained: try fields.flag("drained"), bound: try fields.count("bound"),
            cooling: try fields.count("cooling"), available: try fields.count("available"))
    }
}

extension AgentStatusReport.Binding {
    fileprivate var json: JSONValue {
        .fields([
            "sni": .number(sni.rawValue), "vm": .string(interface.vm), "nic": .number(interface.nic),
            "application": .text(application), "session": session.map { .text($0) }, "state": .string(state),
            "served_from": .string(servedFrom), "epoch": .number(epoch.rawValue), "mac": .text(mac),
            "port": port.map { .string($0) },
        ])
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "bindings", known: nil)
        self.init(
            sni: try fields.sni("sni"), interface: try fields.interface(),
            application: try fields.value("application", "a UUID"),
            session: try fields.optional("session", "a UUID"), state: try fields.text("state"),
            servedFrom: try fields.text("served_from"), epoch: Epoch(try fields.number("epoch")),
            mac: try fields.value("mac", "a MAC address"),
            port: fields.isAbsent("port") ? nil : try fields.text("port"))
    }
}

extension AgentStatusReport.Counts {
    fileprivate var json: JSONValue {
        [
            "staged": .number(staged), "leased": .number(leased), "reserved": .number(reserved), "cold": .number(cold),
            "failed": .number(failed), "stopped": .number(stopped), "waiting": .number(waiting),
        ]
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "counts", known: nil)
        self.init()
        staged = try fields.count("staged")
        leased = try fields.count("leased")
        reserved = try fields.count("reserved")
        cold = try fields.count("cold")
        failed = try fields.count("failed")
        stopped = try fields.count("stopped")
        waiting = try fields.count("waiting")
    }
}

extension AgentStatusReport.Dataplane {
    fileprivate var json: JSONValue {
        [
            "routes": .number(routes), "nexthops": .number(nexthops), "nft_elements": .number(nftElements),
            "remote_blocks": .number(remoteBlocks), "kernel_writes": .number(kernelWrites),
            "foreign": .array(foreign.map { .string($0) }), "pending": .array(pending.map { .string($0) }),
            "paths": .number(paths), "silent_paths": .array(silentPaths.map { .string($0) }),
        ]
    }

    fileprivate init(json: JSONValue) throws(VarlinkFailure) {
        let fields = try Fields(json, name: "dataplane", known: nil)
        self.init()
        routes = try fields.count("routes")
        nexthops = try fields.count("nexthops")
        nftElements = try fields.count("nft_elements")
        remoteBlocks = try fields.count("remote_blocks")
        kernelWrites = try fields.number("kernel_writes")
        foreign = try fields.texts("foreign")
        pending = try fields.texts("pending")
        // An older agent says nothing of them.
        paths = fields.isAbsent("paths") ? 0 : try fields.count("paths")
        silentPaths = fields.isAbsent("silent_paths") ? [] : try fields.texts("silent_paths")
    }
}
