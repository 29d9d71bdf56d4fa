import ArgumentParser
import ControlAPI

struct PoolCommand: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool", abstract: "The identifier space of this installation.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.network.getCapabilities(.init(), options: coordinator.call)
        try output.show(answer) {
            var facts = Facts()
            facts.add("pool", answer.pool.map(\.word).joined(separator: " "))
            facts.add("excluded", answer.excluded.map(\.word).joined(separator: " "))
            facts.add("free", answer.free)
            facts.add("chunk size", answer.chunkSize)
            facts.add("chunk order", answer.shuffled ? "keyed permutation" : "ascending")
            facts.add("block sizes", answer.blockSizes.map(String.init).joined(separator: " "))
            facts.add("overlay", [answer.overlayIpv4, answer.overlayIpv6].joined(separator: " "))
            facts.add("position", answer.position.word)
            return facts.lines
        }
    }
}
