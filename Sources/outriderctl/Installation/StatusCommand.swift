import ArgumentParser
import ControlAPI
import DaemonSupport

struct StatusCommand: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Totals of the installation.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.fleet.getStatus(.init(), options: coordinator.call)
        try output.show(answer) {
            var facts = Facts()
            facts.add("coordinator", options.coordinator)
            facts.add("version", answer.version)
            facts.add("up for", DurationText.print(.seconds(Int64(clamping: answer.uptimeS))))
            facts.add("position", answer.position.word)
            facts.add("hosts", "\(answer.hostsConnected) of \(answer.hosts) connected")
            facts.add("applications", answer.applications)
            facts.add("free", answer.free)
            facts.add("reserved", answer.reserved)
            facts.add("leased, idle", answer.leasedIdle)
            facts.add("bound", answer.bound)
            facts.add("in reclamation", answer.reclaiming)
            facts.add("in quarantine", answer.quarantined)
            facts.add("launches", launches(answer.launches))
            return facts.lines
        }
    }

    private func launches(_ counts: Outrider_V1_LaunchCounts) -> String {
        "\(counts.staged) staged, \(counts.leased) leased, \(counts.reserved) reserved, \(counts.cold) cold"
    }
}
