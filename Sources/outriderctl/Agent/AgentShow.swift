import ArgumentParser
import LocalAPI
import NetworkTypes

struct AgentShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "What this host's agent holds: leases and bindings.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let timeout = options.timeout.duration
        let report = try withAgent(options) { (client) throws(AgentCallError) in try client.status(timeout: timeout) }
        try Output(format: options.output).show(json: report.json.description) {
            report.facts + section(Self.leases(report)) + section(Self.bindings(report))
                + section(Self.applications(report)) + section(Self.observed(report))
        }
    }

    private func section(_ table: Table) -> [String] { table.isEmpty ? [] : [""] + table.lines }

    private static func leases(_ report: AgentStatusReport) -> Table {
        var table = Table([
            .text("BLOCK"), .text("APPLICATION"), .text("STATE"), .number("EPOCH"), .number("BOUND"),
            .number("COOLING"), .number("AVAILABLE"),
        ])
        for lease in report.leases {
            let state = lease.drained ? "drained" : lease.marked ? "marked" : lease.staged ? "staged" : "leased"
            table.add([
                "\(lease.block)", "\(lease.application)", state, "\(lease.epoch)", "\(lease.bound)",
                "\(lease.cooling)", "\(lease.available)",
            ])
        }
        return table
    }

    /// What the latest reading brought; what is not known stands empty.
    private static func applications(_ report: AgentStatusReport) -> Table {
        var table = Table([
            .text("APPLICATION"), .number("RX BYTES"), .number("TX BYTES"), .number("DROPPED"), .number("CPU MS"),
            .number("MEMORY MIB"), .number("GAPS"),
        ])
        for row in report.telemetry?.applications ?? [] {
            func text(_ value: UInt64?) -> String { value.map { "\($0)" } ?? "" }
            table.add([
                "\(row.application)", text(row.receivedBytes), text(row.sentBytes), text(row.droppedPackets),
                row.cpu.map { "\(Int64($0 / .milliseconds(1)))" } ?? "", text(row.memoryBytes.map { $0 >> 20 }),
                "\(row.unread + row.unbased + row.reset + row.late)",
            ])
        }
        return table
    }

    /// Interfaces that another system manages.
    private static func observed(_ report: AgentStatusReport) -> Table {
        var table = Table([
            .text("OBSERVED"), .text("VM"), .number("RX BYTES"), .number("TX BYTES"), .text("APPLICATION"),
        ])
        for row in report.telemetry?.observed ?? [] {
            table.add([
                row.interface, row.vmName ?? row.vm, "\(row.receivedBytes)", "\(row.sentBytes)", "\(row.application)",
            ])
        }
        return table
    }

    private static func bindings(_ report: AgentStatusReport) -> Table {
        var table = Table([
            .text("VM"), .number("NIC"), .number("SNI"), .text("STATE"), .text("PORT"), .text("MAC"),
            .text("SERVED FROM"), .text("APPLICATION"),
        ])
        for binding in report.bindings {
            table.add([
                binding.interface.vm, "\(binding.interface.nic)", "\(binding.sni)", binding.state, binding.port ?? "",
                "\(binding.mac)", binding.servedFrom, "\(binding.application)",
            ])
        }
        return table
    }
}

extension AgentStatusReport {
    /// The agent in a few lines.
    var facts: [String] {
        var facts = Facts()
        facts.add("agent of", host)
        facts.add("coordinator", connection)
        facts.add("binding", bindingStopped.map { "stopped: \($0)" } ?? "allowed")
        facts.add("journal", "\(journalSequence)" + (recovering ? ", lost or damaged: adopting what runs" : ""))
        for file in damagedJournals { facts.add("set aside", "\(file), a damaged journal") }
        facts.add("position", "\(position), acknowledged \(acknowledged)")
        facts.add("leases", leases.count)
        facts.add("bindings", bindings.count)
        facts.add(
            "launches",
            "\(counts.staged) staged, \(counts.leased) leased, \(counts.reserved) reserved, \(counts.cold) cold, "
                + "\(counts.failed) failed, \(counts.waiting) waiting")
        if let dataplane {
            facts.add(
                "kernel",
                "\(dataplane.routes) routes, \(dataplane.nexthops) nexthops, \(dataplane.nftElements) filter elements, "
                    + "\(dataplane.kernelWrites) writes")
            facts.add("paths", "\(dataplane.paths), \(dataplane.silentPaths.count) of them not answering")
            for object in dataplane.pending { facts.add("pending", object) }
            for object in dataplane.foreign { facts.add("foreign", object) }
        }
        if let telemetry { telemetry.add(to: &facts) }
        return facts.lines
    }

    private var connection: String {
        let silence = silentFor.map { ", silent for \(Words.milliseconds($0))" } ?? ""
        return (connected ? "connected" : "not connected") + silence
    }
}

extension AgentTelemetryReport {
    func add(to facts: inout Facts) {
        let read = sources.compactMap { source in source.rows.map { "\($0) \(source.name)" } }
        let since = age.map { ", \(Words.milliseconds($0)) ago" } ?? ""
        facts.add("read", (read.isEmpty ? "nothing yet" : read.joined(separator: ", ")) + since)
        for source in sources {
            if let error = source.error { facts.add("not read", "\(source.name): \(error)") }
        }
        if !observed.isEmpty {
            facts.add("observed", "\(Set(observed.map(\.vm)).count) VMs on \(observed.count) interfaces of others")
        }
        if backlog.batches > 0 || backlog.lost > 0 {
            facts.add(
                "backlog", "\(backlog.intervals) intervals in \(backlog.batches) batches, \(backlog.lost) given up")
        }
    }
}
