import ArgumentParser
import ControlAPI
import NetworkTypes

struct MigrationStart: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Moves a VM's identifier to the host that the VM migrates to.",
        discussion: """
            Say this before the hypervisor migrates: the destination's attach then gets the same address, and packets \
            follow the VM at its first frame there.
            """)
    @OptionGroup var options: GlobalOptions
    @OptionGroup var interface: InterfaceOptions
    @Option(help: "Name of the host that it goes to.") var to: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let moved = try interface.interface()
        var request = Outrider_V1_MigrateRequest()
        request.vm = moved.vm
        request.nic = UInt32(moved.nic)
        request.host = to
        let answer = try await coordinator.fleet.migrate(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { MigrationCommand.lines([answer], names) }
    }
}
