import ArgumentParser
import ControlAPI

struct LeaseList: CoordinatorCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Leased blocks and their state.")
    private static let pageSize: UInt32 = 4096
    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Only those of this application.", valueName: "application")) var app: String = ""
    @Option(help: "Only those of this host.") var host: String = ""

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        var request = Outrider_V1_ListLeasesRequest()
        request.application = app
        request.host = host
        request.limit = Self.pageSize
        var answer = Outrider_V1_ListLeasesResponse()
        // A message has a largest size, and a fleet has no largest number of leases.
        while true {
            let page = try await coordinator.network.listLeases(request, options: coordinator.call).leases
            answer.leases += page
            guard page.count == Self.pageSize, let last = page.last else { break }
            request.after = last.block
        }
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .text("BLOCK"), .text("APPLICATION"), .text("HOST"), .text("STATE"), .number("BOUND"), .number("EPOCH"),
                .text("PREDICTED"),
            ])
            for lease in answer.leases {
                table.add([
                    lease.block.word, names[lease.application], lease.host, lease.state.word, String(lease.bound),
                    String(lease.epoch), Words.yes(lease.predicted),
                ])
            }
            return table.lines
        }
    }
}
