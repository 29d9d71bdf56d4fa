import ArgumentParser
import ControlAPI
import DaemonSupport
import Foundation
import LocalAPI

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Totals of the installation, and this host's agent where there is one.",
        discussion: "As JSON it prints the coordinator's part alone; 'agent' prints the agent's.")
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let output = Output(format: options.output)
        var failures: [ControlFailure] = []
        do {
            let answer = try await withCoordinator(options) {
                try await $0.fleet.getStatus(.init(), options: $0.call)
            }
            try output.show(answer) { lines(answer) }
        } catch let failure as ControlFailure {
            failures.append(failure)
        }
        if output.format == .table, FileManager.default.fileExists(atPath: options.agentSocket) {
            do {
                try showAgent(output, afterCoordinator: failures.isEmpty)
            } catch {
                failures.append(error)
            }
        }
        if let failure = failures.first { throw failure }
    }

    private func showAgent(_ output: Output, afterCoordinator: Bool) throws(ControlFailure) {
        let timeout = options.timeout.duration
        let report = try withAgent(options) { (client) throws(AgentCallError) in try client.status(timeout: timeout) }
        try output.show(json: report.json.description) { (afterCoordinator ? [""] : []) + report.facts }
    }

    private func lines(_ status: Outrider_V1_Status) -> [String] {
        let counts = status.launches
        var facts = Facts()
        facts.add("coordinator", options.coordinator)
        facts.add("version", status.version)
        facts.add("up for", DurationText.print(.seconds(Int64(clamping: status.uptimeS))))
        facts.add("position", status.position.word)
        facts.add("hosts", "\(status.hostsConnected) of \(status.hosts) connected")
        facts.add("applications", status.applications)
        facts.add("free", status.free)
        facts.add("reserved", status.reserved)
        facts.add("leased, idle", status.leasedIdle)
        facts.add("bound", status.bound)
        facts.add("blocks staged", "\(status.blocksStaged), and \(status.blocksStagedPartial) staged-partial")
        facts.add(
            "profiles",
            "\(status.profiles) followed"
                + (status.profilesEvicted > 0 ? ", \(status.profilesEvicted) given up: there are too many" : ""))
        if status.unknownEntries > 0 {
            facts.add("unknown applications", "\(status.unknownEntries) entries in reports: an agent is broken")
        }
        facts.add("in reclamation", status.reclaiming)
        facts.add("in quarantine", status.quarantined)
        facts.add(
            "launches",
            "\(counts.staged) staged, \(counts.leased) leased, \(counts.reserved) reserved, \(counts.cold) cold")
        return facts.lines
    }
}
