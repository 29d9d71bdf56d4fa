import ArgumentParser

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "After the coordinator's store was restored from a backup.",
        subcommands: [RestoreEnd.self])
}
