import ArgumentParser

struct ShardingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharding", abstract: "How the space is cut, as a document with a version.",
        discussion: """
            A document is the JSON that 'sharding show' writes. To change it: save it, change 'excluding' (ranges \
            that leave the pool as they become free) or 'temperature', raise 'version', look at 'sharding diff', and \
            apply it. Everything else in it is fixed for the life of a pool, or follows from reservations.
            """,
        subcommands: [ShardingShow.self, ShardingDiff.self, ShardingApply.self])
}
