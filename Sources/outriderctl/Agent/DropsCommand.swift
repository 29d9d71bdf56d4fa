import ArgumentParser
import LocalAPI

struct DropsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drops", abstract: "Packets that this host's filters dropped, by reason.",
        discussion: """
            Read from the kernel's own counters, which start when the filters are made and are never reset. A reason that \
            grows names what somebody tries, or what is configured wrongly.
            """)
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let timeout = options.timeout.duration
        let report = try withAgent(options) { (client) throws(AgentCallError) in try client.drops(timeout: timeout) }
        try Output(format: options.output).show(json: report.json.description) {
            var table = Table([
                .text("REASON"), .text("PLACE"), .number("PACKETS"), .number("BYTES"), .text("WHAT"),
            ])
            for drop in report.drops {
                table.add([
                    drop.reason, drop.place, "\(drop.packets)", drop.bytes.map { "\($0)" } ?? "", drop.explanation,
                ])
            }
            return table.lines
        }
    }
}
