import ArgumentParser
import ControlAPI

struct HostList: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "All hosts.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.fleet.listHosts(.init(), options: coordinator.call)
        try output.show(answer) {
            var table = Table([
                .text("HOST"), .text("STATE"), .text("VTEP"), .number("LEASES"), .number("BOUND"), .number("PENDING"),
                .number("FOREIGN"), .number("SILENT"), .text("VERSION"),
            ])
            for host in answer.hosts {
                table.add([
                    host.id, host.state.word, host.vtep, String(host.leases), String(host.bound),
                    String(host.report.pending.count), String(host.report.foreign.count),
                    Words.milliseconds(host.silentMs), host.version,
                ])
            }
            return table.lines
        }
    }
}
