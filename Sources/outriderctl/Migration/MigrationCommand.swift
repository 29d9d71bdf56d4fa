import ArgumentParser
import ControlAPI

struct MigrationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migration", abstract: "VMs on their way to another host.",
        subcommands: [MigrationList.self, MigrationStart.self, MigrationAbort.self])

    static func lines(_ migrations: [Outrider_V1_Migration], _ names: Names) -> [String] {
        var table = Table([
            .text("VM"), .number("NIC"), .number("SNI"), .text("APPLICATION"), .text("FROM"), .text("TO"),
            .text("PHASE"), .text("WAITS FOR"),
        ])
        for migration in migrations {
            table.add([
                migration.vm, String(migration.nic), String(migration.sni), names[migration.application],
                migration.source, migration.destination,
                migration.phase.word + (migration.aborted ? ", aborted" : ""),
                migration.waitsFor.joined(separator: " "),
            ])
        }
        return table.lines
    }
}
