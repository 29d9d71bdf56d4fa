import Agent
import ArgumentParser

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what is wanted of the kernel, what it has and the difference, as JSON.",
        discussion: "Changes nothing. What is wanted comes from the journal, so the agent may run or not.")

    @OptionGroup var configuration: ConfigurationFile

    func run() throws {
        let settings = try configuration.load()
        do {
            print(try AgentVerbs.export(settings))
        } catch {
            throw Failure.exit(error)
        }
    }
}
