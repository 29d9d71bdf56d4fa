import ArgumentParser
import ControlAPI

struct ShardingShow: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "The document in force.",
        discussion: "With --output json it is the document itself; save it to change and apply it.", aliases: ["export"]
    )
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.network.getSharding(.init(), options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { Self.lines(answer, names) }
    }

    static func lines(_ document: Outrider_V1_ShardingConfiguration, _ names: Names) -> [String] {
        var facts = Facts()
        facts.add("version", document.version)
        facts.add("format", document.format)
        facts.add("chunk size", document.chunkSize)
        facts.add("key fingerprint", document.keyFingerprint)
        facts.add("block sizes", "\(document.blockSizeMin)-\(document.blockSizeMax)")
        facts.add("temperature", document.temperature.words)
        facts.add("excluded", document.excluded.map(\.word).joined(separator: " "))
        facts.add("excluding", document.excluding.map(\.word).joined(separator: " "))
        return facts.lines + ShardingDiff.table(document.shards, names)
    }
}
