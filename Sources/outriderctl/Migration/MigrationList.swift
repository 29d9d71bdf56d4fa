import ArgumentParser
import ControlAPI

struct MigrationList: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Migrations, until their identifiers are home again.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.fleet.listMigrations(.init(), options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { MigrationCommand.lines(answer.migrations, names) }
    }
}
