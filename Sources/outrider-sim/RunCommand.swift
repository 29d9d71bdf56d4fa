import ArgumentParser
import FleetSimulation

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Runs one seed and says what came of it.")

    @OptionGroup var options: RunOptions

    @Flag(help: "Print one line per event; docs/simulation.md explains the columns.")
    var log = false

    func run() throws {
        let result = try options.run { line in if log { print(line) } }
        try options.report(result)
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Runs one seed again and prints everything that happens.")

    @OptionGroup var options: RunOptions

    func run() throws {
        let result = try options.run { print($0) }
        try options.report(result)
    }
}
