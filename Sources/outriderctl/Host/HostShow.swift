import ArgumentParser
import ControlAPI
import DaemonSupport

struct HostShow: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One host.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name of the host.") var host: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.fleet.listHosts(.init(), options: coordinator.call)
        guard let found = answer.hosts.first(where: { $0.id == host }) else {
            let known = answer.hosts.map(\.id).joined(separator: ", ")
            throw ControlFailure(
                .failure,
                "no host '\(host)': "
                    + (known.isEmpty ? "no agent has reported to this coordinator yet" : "known are \(known)"))
        }
        try output.show(found) { Self.lines(found) }
    }

    static func lines(_ host: Outrider_V1_Host) -> [String] {
        var facts = Facts()
        facts.add("host", host.id)
        facts.add("state", host.state.word)
        if !host.reason.isEmpty { facts.add("because", host.reason) }
        facts.add("vtep", host.vtep)
        if !host.formerVtep.isEmpty {
            facts.add("former vtep", host.formerVtep)
            facts.add("vtep awaits", host.vtepAwaits.isEmpty ? host.id : host.vtepAwaits.joined(separator: ", "))
        }
        facts.add("version", host.version)
        facts.add("incarnation", host.incarnation)
        facts.add("boot", host.bootID)
        facts.add("silent for", Words.milliseconds(host.silentMs))
        facts.add("acknowledged revision", host.acknowledgedRevision)
        facts.add("leases", host.leases)
        facts.add("bound", host.bound)
        facts.add("routes", host.report.routes)
        facts.add("nexthops", host.report.nexthops)
        facts.add("nftables elements", host.report.nftElements)
        facts.add("kernel writes", host.report.kernelWrites)
        facts.add("paths", "\(host.report.paths), \(host.report.silentPaths.count) of them not answering")
        for object in host.report.pending { facts.add("pending", object) }
        for object in host.report.foreign { facts.add("foreign", object) }
        return facts.lines
    }
}
