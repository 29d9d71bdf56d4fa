import ArgumentParser

@main
struct OutriderSim: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider-sim", abstract: "Simulates fleets from a seed.", subcommands: [ChurnCommand.self])
}
