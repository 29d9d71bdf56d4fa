import ArgumentParser
import ControlAPI

struct ReclaimedCommand: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "reclaimed", abstract: "Blocks that returned to the free space, each exactly once.",
        discussion: "Hand the last CURSOR to --after to continue.")
    @OptionGroup var options: GlobalOptions
    @Option(help: "Cursor to continue from.") var after: UInt64 = 0
    @Option(help: "At most this many; 0 means 1000.") var limit: UInt32 = 0

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ListReclaimedRequest()
        request.after = after
        request.limit = limit
        let answer = try await coordinator.network.listReclaimed(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .number("CURSOR"), .text("BLOCK"), .text("APPLICATION"), .text("HOST"), .text("REASON"),
            ])
            for entry in answer.entries {
                table.add([
                    String(entry.cursor), entry.block.word, names[entry.application], entry.host, entry.reason,
                ])
            }
            return table.lines
        }
    }
}
