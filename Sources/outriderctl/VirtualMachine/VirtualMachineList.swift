import ArgumentParser
import ControlAPI
import NetworkTypes

struct VirtualMachineList: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "VM interfaces as their hosts last reported them.")
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only those of this application.", valueName: "application")) var app: String = ""
    @Option(help: "Only those of this host.") var host: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ListVirtualMachinesRequest()
        request.application = app
        request.host = host
        let answer = try await coordinator.sessions.listVirtualMachines(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .text("VM"), .number("NIC"), .text("APPLICATION"), .text("HOST"), .number("SNI"), .text("SERVED FROM"),
                .text("SESSION"),
            ])
            for machine in answer.virtualMachines {
                table.add([
                    machine.vm, String(machine.nic), names[machine.application], machine.host, String(machine.sni),
                    machine.servedFrom.word, machine.session,
                ])
            }
            return table.lines
        }
    }
}
