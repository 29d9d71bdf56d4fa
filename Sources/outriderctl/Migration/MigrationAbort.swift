import ArgumentParser
import ControlAPI
import NetworkTypes

struct MigrationAbort: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "abort", abstract: "Ends a migration whose VM has not arrived.",
        discussion: "The VM keeps its address where it is.")
    @OptionGroup var options: GlobalOptions
    @OptionGroup var interface: InterfaceOptions
    @Option(help: "Why, for the audit.") var reason: String

    func validate() throws {
        guard !reason.allSatisfy(\.isWhitespace) else { throw ValidationError("--reason must not be empty") }
    }

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let staying = try interface.interface()
        var request = Outrider_V1_AbortMigrationRequest()
        request.vm = staying.vm
        request.nic = UInt32(staying.nic)
        request.reason = reason
        let answer = try await coordinator.fleet.abortMigration(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { MigrationCommand.lines([answer], names) }
    }
}
