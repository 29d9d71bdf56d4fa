import Foundation
import NamespaceKit
import Synchronization

/// Tells what happens: one line that refreshes itself on a terminal, a plain line now and then elsewhere.
final class Progress: Sendable {
    private let isTerminal = isatty(1) == 1
    private let start = ContinuousClock.now
    private let state = Mutex<(lineIsOpen: Bool, lastPlain: ContinuousClock.Instant?)>((false, nil))
    private static let plainEvery = Duration.seconds(10)

    var elapsed: Duration { ContinuousClock.now - start }

    private var clock: String {
        let seconds = Int(elapsed / .seconds(1))
        let rest = seconds % 60
        return "\(seconds / 60):\(rest < 10 ? "0" : "")\(rest)"
    }

    /// A step that stays on the screen.
    func step(_ text: String) {
        state.withLock { state in
            write((state.lineIsOpen ? "\r\u{1B}[K" : "") + "[\(clock)] \(text)\n")
            state.lineIsOpen = false
        }
    }

    /// What is going on now; replaces itself on a terminal.
    func live(_ text: @autoclosure () -> String) {
        state.withLock { state in
            if isTerminal {
                write("\r\u{1B}[K[\(clock)] \(text())")
                state.lineIsOpen = true
            } else {
                let now = ContinuousClock.now
                if let last = state.lastPlain, now - last < Self.plainEvery { return }
                state.lastPlain = now
                write("[\(clock)] \(text())\n")
            }
        }
    }

    private func write(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
