import SwiftProtobuf

/// The one renderer: every verb hands it the answer and the way it looks as text.
struct Output {
    let format: OutputFormat

    /// Prints canonical proto3 JSON, or the lines that `text` makes.
    // Not inlined: the optimiser of Swift 6.3.1 crashes on a coroutine that has this at its end.
    @inline(never)
    func show(_ message: some Message, _ text: () -> [String]) throws {
        switch format {
        case .json: try Terminal.write(try message.jsonString())
        case .table: try show(text())
        }
    }

    /// Prints a Varlink answer's parameters, or the lines that `text` makes.
    func show(json: String, _ text: () -> [String]) throws(ControlFailure) {
        switch format {
        case .json: try Terminal.write(json)
        case .table: try show(text())
        }
    }

    private func show(_ lines: [String]) throws(ControlFailure) {
        if !lines.isEmpty { try Terminal.write(lines.joined(separator: "\n")) }
    }
}
