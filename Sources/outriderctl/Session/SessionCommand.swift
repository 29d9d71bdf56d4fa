import ArgumentParser
import ControlAPI

struct SessionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session", abstract: "Sessions: runs of an application.",
        subcommands: [SessionList.self, SessionCreate.self, SessionEnd.self])

    static func lines(_ sessions: [Outrider_V1_Session], _ names: Names) -> [String] {
        var table = Table([.text("ID"), .text("APPLICATION"), .text("STATE"), .number("BOUND"), .text("LABEL")])
        for session in sessions {
            table.add([
                session.id, names[session.application], session.ended ? "ended" : "open", String(session.bound),
                session.label,
            ])
        }
        return table.lines
    }
}
