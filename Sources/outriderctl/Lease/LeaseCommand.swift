import ArgumentParser

struct LeaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lease", abstract: "Blocks leased to hosts.", subcommands: [LeaseList.self])
}
