import Agent
import ArgumentParser
import DaemonSupport

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run until SIGTERM or SIGINT.",
        discussion: """
            Stopping, crashing or upgrading the agent changes no kernel state and loses no packet. The overlay's network
            namespace must exist ('outrider-agent netns create'). SIGHUP applies a changed log-level.
            """)

    @OptionGroup var configuration: ConfigurationFile

    @Flag(help: "Only say whether this host can run the agent and what is wrong. Exit code 1 when something is.")
    var check = false

    @Flag(help: "Only print what would be written to the kernel now; the agent may run or not.")
    var dryRun = false

    func validate() throws {
        if check && dryRun { throw ValidationError("--check and --dry-run exclude each other.") }
    }

    func run() async throws {
        let settings = try configuration.load()
        if check { return try report(AgentChecks.run(settings)) }
        if dryRun {
            do {
                return try print(AgentVerbs.dryRun(settings).joined(separator: "\n"))
            } catch {
                throw Failure.exit(error)
            }
        }
        do {
            try await AgentDaemon.run(
                settings: settings, configurationFile: configuration.file, environment: .current)
        } catch {
            throw Failure.exit(error)
        }
    }

    private func report(_ findings: [AgentChecks.Finding]) throws {
        for finding in findings {
            print("\(finding.problem == nil ? "ok     " : "problem") \(finding.subject)", terminator: "")
            print((finding.problem ?? finding.note).map { ": \($0)" } ?? "")
        }
        if findings.contains(where: { $0.problem != nil }) { throw ArgumentParser.ExitCode.failure }
    }
}
