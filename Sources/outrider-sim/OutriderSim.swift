import ArgumentParser

@main
struct OutriderSim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outrider-sim",
        abstract: "Runs a whole fleet from a seed: coordinator, agents, kernels, network, disks and clocks.",
        discussion: """
            Everything that happens follows from the seed, to the byte. A run has a safety phase, in which faults come \
            and go, and a liveness phase, in which they have ended and the fleet must converge. The invariants of \
            docs/design.md are checked after every step.

            Exit code: 0 without a violation, 1 with one, 64 for a wrong call.
            """,
        subcommands: [
            RunCommand.self, FuzzCommand.self, ReplayCommand.self, ChurnCommand.self, ForecastCommand.self,
            BacktestCommand.self, AllocateCommand.self, FitAllocationCommand.self, EvaluateCommand.self,
        ])
}
