import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct PlacementCommand: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "placement",
        abstract: "Where VMs of an application would find an identifier that is there already.",
        discussion: """
            For a scheduler that prefers such hosts. STAGED are free identifiers of which every peer's kernel knows: a launch \
            there tells nobody anything. LEASED are free identifiers that the host has and not all peers know yet. Hosts \
            that may bind nothing now are left out.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String
    @Option(help: "VMs that will be launched: PLACE then says how many of them should go where.") var count: UInt32 = 0

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.allocator.placementHints(
            .with {
                $0.application = application
                $0.count = count
            }, options: coordinator.call)
        try output.show(answer) {
            var table = Table([
                .text("HOST"), .number("STAGED"), .number("LEASED"), .number("BOUND"), .number("PLACE"),
            ])
            for hint in answer.hosts {
                table.add([
                    hint.host, String(hint.staged), String(hint.leased), String(hint.bound), String(hint.place),
                ])
            }
            var lines = table.lines + ["", "\(answer.reserved) identifiers are reserved and at no host"]
            if answer.unplaced > 0 { lines.append("\(answer.unplaced) of \(count) launches find none at a host") }
            return lines
        }
    }
}
