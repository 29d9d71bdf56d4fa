import Agent
import ArgumentParser

struct Teardown: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove everything that the agent put into the kernel: ports, device, filter tables, namespace.",
        discussion: "Refused while the agent runs, and while VMs are attached unless --force. Safe to repeat.")

    @OptionGroup var configuration: ConfigurationFile

    @Flag(help: "Cut off attached VMs.")
    var force = false

    @Flag(help: "Remove the journal too: this host then joins as a new installation.")
    var purge = false

    func run() throws {
        let settings = try configuration.load()
        do {
            let removed = try AgentVerbs.teardown(settings, force: force, purge: purge)
            print(removed.isEmpty ? "nothing to remove" : removed.map { "removed \($0)" }.joined(separator: "\n"))
        } catch {
            throw Failure.exit(error)
        }
    }
}
