import ArgumentParser
import ControlAPI

struct ShardingApply: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Brings a document into force.",
        discussion: """
            Its version must be above the one in force, else somebody changed it in between: exit code 75. Free \
            identifiers of 'excluding' leave the pool at once, blocks that nobody uses through reclamation, others when \
            their VMs are gone.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "A document as 'sharding show --output json' writes it; - reads standard input.")
    var file: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ApplyShardingRequest()
        request.document = try ShardingDocument.read(file)
        let answer = try await coordinator.network.applySharding(request, options: coordinator.call)
        try output.show(answer) {
            var left = Facts()
            left.add("left to exclude", answer.excludingLeft)
            return ShardingDiff.lines(answer.difference, Names()) + left.lines
        }
    }
}
