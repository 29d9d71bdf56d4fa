import ArgumentParser
import ControlAPI

struct ShardingDiff: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What differs between the document in force and one in a file.",
        discussion: "Nothing is shown when they say the same. Ranges of applications are shown and never applied.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "A document as 'sharding show --output json' writes it; - reads standard input.")
    var file: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_DiffShardingRequest()
        request.document = try ShardingDocument.read(file)
        let answer = try await coordinator.network.diffSharding(request, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { Self.lines(answer, names) }
    }

    static func lines(_ difference: Outrider_V1_ShardingDifference, _ names: Names) -> [String] {
        var facts = Facts()
        if difference.fromVersion != difference.toVersion {
            facts.add("version", "\(difference.fromVersion) to \(difference.toVersion)")
        }
        if !difference.excluded.isEmpty {
            facts.add("leaves the pool", difference.excluded.map(\.word).joined(separator: " "))
        }
        if !difference.included.isEmpty {
            facts.add("comes back", difference.included.map(\.word).joined(separator: " "))
        }
        if difference.hasTemperature { facts.add("temperature", difference.temperature.words) }
        return facts.lines + table(difference.shards, names)
    }

    static func table(_ shards: [Outrider_V1_Shard], _ names: Names) -> [String] {
        guard !shards.isEmpty else { return [] }
        var table = Table([.text("APPLICATION"), .text("RANGES")])
        for shard in shards {
            table.add([names[shard.application], shard.ranges.map(\.word).joined(separator: " ")])
        }
        return table.lines
    }
}

extension Outrider_V1_TemperatureThresholds {
    var words: String {
        "hot above \(Words.fraction(hotAbove))/h, cold below \(Words.fraction(coldBelow))/h, half-life "
            + Words.milliseconds(halfLifeMs)
    }
}
