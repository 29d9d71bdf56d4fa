import ArgumentParser

struct HostCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "host", abstract: "Hosts and what their agents report.",
        subcommands: [
            HostList.self, HostShow.self, HostThaw.self, HostFence.self, HostReplace.self,
        ])
}
