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
        Output(format: options.output).show(json: report.json.description) {
            report.facts + section(Self.leases(report)) + section(Self.bindings(report))
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
        facts.add("journal", "\(journalSequence)" + (recovering ? ", lost: adopting what runs" : ""))
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
            for object in dataplane.pending { facts.add("pending", object) }
            for object in dataplane.foreign { facts.add("foreign", object) }
        }
        return facts.lines
    }

    private var connection: String {
        let silence = silentFor.map { ", silent for \(Words.milliseconds($0))" } ?? ""
        return (connected ? "connected" : "not connected") + silence
    }
}
