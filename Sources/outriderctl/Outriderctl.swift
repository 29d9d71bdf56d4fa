import ArgumentParser
import DaemonSupport

/// The root of the command tree: one folder per noun beside this file, one file per verb in it.
@main
struct Outriderctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outriderctl",
        abstract: "Shows and steers an Outrider installation.",
        discussion: """
            `vm attach`, `vm plug`, `vm detach`, `agent` and `drops` talk to the agent of this host, everything else to \
            the coordinator.

            \(ExitStatus.help(ExitStatus.allCases))
            """,
        version: Version.current,
        subcommands: [
            StatusCommand.self, CheckCommand.self, PoolCommand.self, ApplicationCommand.self, SessionCommand.self,
            HostCommand.self, RangeCommand.self, ReservationCommand.self, LeaseCommand.self, ForecastCommand.self,
            ExplainCommand.self, PlacementCommand.self, ReclaimCommand.self, ReclaimedCommand.self,
            VirtualMachineCommand.self, MigrationCommand.self,
            ShardingCommand.self, RestoreCommand.self, AgentCommand.self, DropsCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as ControlFailure {
            Terminal.writeError("outriderctl: \(failure.message)")
            exit(withError: ArgumentParser.ExitCode(failure.status.rawValue))
        } catch {
            exit(withError: error)
        }
    }
}
