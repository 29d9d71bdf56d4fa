import ArgumentParser

struct RangeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "range", abstract: "Ranges that applications own.",
        subcommands: [RangeList.self, RangeAllocate.self])
}
