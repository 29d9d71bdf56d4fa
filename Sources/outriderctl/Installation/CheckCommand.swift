import ArgumentParser
import ControlAPI
import DaemonSupport

struct CheckCommand: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Compares the views of store and hosts and names every disagreement.",
        discussion: "Exits with 2 when there are findings.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.network.check(.init(), options: coordinator.call)
        try output.show(answer) { Self.lines(answer) }
        if !answer.findings.isEmpty { throw ControlFailure(.findings, "\(answer.findings.count) findings") }
    }

    static func lines(_ answer: Outrider_V1_CheckResponse) -> [String] {
        let compared = "\(answer.blocksCompared) blocks of \(answer.hostsCompared) hosts compared"
        guard !answer.findings.isEmpty else { return ["\(compared): all views agree"] }
        var table = Table([.text("CODE"), .text("OBJECT"), .text("DETAIL"), .text("REMEDY")])
        for finding in answer.findings {
            table.add([finding.code, finding.object, finding.detail, finding.remedy])
        }
        return table.lines + ["", compared]
    }
}
