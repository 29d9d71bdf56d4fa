import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ForecastPeers: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "Who talks with whom.",
        discussion: """
            Bytes per second from the VMs of one application on one host to those of another, faded with a half-life of \
            half an hour. Hosts report their busiest pairs, so this is a lower bound. HOSTS and NEIGHBOURS are advice: \
            where a block would have its peers close by, and whose ranges should lie side by side.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of an application on either side; all without one.") var application: String?
    @Option(help: "Pairs at most.") var limit: UInt32 = 100

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.profiler.listCommunication(
            .with {
                $0.application = application ?? ""
                $0.limit = limit
            }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var groups = Table([
                .text("FROM"), .text("HOST"), .text("TO"), .text("HOST"), .number("BYTES/S"),
            ])
            for entry in answer.groups {
                groups.add([
                    names[entry.sourceApplication], entry.sourceHost, names[entry.destinationApplication],
                    entry.destinationHost, String(Int(entry.bytesPerS.rounded())),
                ])
            }
            var advice = Table([.text("APPLICATION"), .text("HOSTS"), .text("NEIGHBOURS")])
            for entry in answer.advice {
                advice.add([
                    names[entry.application], entry.hosts.joined(separator: " "),
                    entry.neighbours.map { names[$0] }.joined(separator: " "),
                ])
            }
            return groups.lines + [""] + advice.lines
        }
    }
}
