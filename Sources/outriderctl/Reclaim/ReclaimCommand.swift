import ArgumentParser
import ControlAPI
import DaemonSupport

struct ReclaimCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reclaim", abstract: "Takes identifiers back through the handshake.",
        discussion: "Exits with 1 when a block was refused; the table says by whom it is used.",
        subcommands: [ReclaimIdentifier.self, ReclaimRange.self, ReclaimApplication.self, ReclaimHost.self])
}

/// What every target of `reclaim` takes.
struct ReclaimOptions: ParsableArguments {
    @Flag(help: "Only tell what would be done.") var dryRun = false
    @Option(help: "Why, for the audit.") var reason: String
    @Flag(help: "Make hosts withdraw bound VMs first: they lose their network.") var force = false

    func validate() throws {
        guard !reason.allSatisfy(\.isWhitespace) else { throw ValidationError("--reason must not be empty") }
    }
}

/// A verb of `reclaim`: they differ in the target alone.
protocol ReclaimVerb: CoordinatorCommand {
    var reclaim: ReclaimOptions { get }
    var target: Outrider_V1_ReclaimRequest.OneOf_Target { get }
}

extension ReclaimVerb {
    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ReclaimRequest()
        request.target = target
        request.dryRun = reclaim.dryRun
        request.reason = reclaim.reason
        request.force = reclaim.force
        let answer = try await coordinator.network.reclaim(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { lines(answer, names) }
        let refused = answer.items.count { !$0.accepted }
        if refused > 0, !reclaim.dryRun {
            throw ControlFailure(
                .failure, "\(refused) of \(answer.items.count) blocks refused: stop their users first, or use --force")
        }
    }

    private func lines(_ answer: Outrider_V1_ReclaimResponse, _ names: Names) -> [String] {
        guard !answer.items.isEmpty else { return ["nothing to reclaim"] }
        let accepted = reclaim.dryRun ? "would start" : "started"
        var table = Table([
            .text("BLOCK"), .text("APPLICATION"), .text("HOST"), .text("RECLAMATION"), .text("REFUSAL"), .text("USERS"),
        ])
        for item in answer.items {
            table.add([
                item.block.word, names[item.application], item.host, item.accepted ? accepted : "refused", item.refusal,
                item.users.joined(separator: " "),
            ])
        }
        return table.lines
    }
}
