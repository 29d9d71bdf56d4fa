import Logging
import Synchronization
import Testing

@testable import DaemonSupport

@Suite struct LoggingTests {
    private final class Lines: Sendable {
        let text = Mutex("")
        func add(_ line: String) { text.withLock { $0 += line } }
    }

    @Test func linesInBothStyles() {
        let control = LogControl(level: .info)
        let journal = StandardErrorLog(label: "x", style: .journal, control: control) { _ in }
        let extra: Logger.Metadata = ["b": "two words", "a": "1"]
        #expect(
            journal.line(level: .warning, message: "one\ntwo", extra: extra, seconds: 0)
                == "<4>one\\ntwo a=1 b=\"two words\"\n")
        let plain = StandardErrorLog(label: "x", style: .plain, control: control) { _ in }
        #expect(
            plain.line(level: .info, message: "m", extra: [:], seconds: 1_772_323_199.5)
                == "2026-02-28T23:59:59.500Z info x: m\n")
        #expect(utcText(951_782_400) == "2000-02-29T00:00:00.000Z")
        #expect(utcText(0) == "1970-01-01T00:00:00.000Z")
    }

    @Test func levelOfAllLoggersChangesAtOnce() {
        let (control, lines) = (LogControl(level: .warning), Lines())
        let logger = Logger(label: "x") { label in
            StandardErrorLog(label: label, style: .journal, control: control) { lines.add($0) }
        }
        logger.info("hidden")
        control.level = .info
        logger.info("shown")
        #expect(lines.text.withLock { $0 } == "<6>shown\n")
    }

    @Test func journalStyleOnlyWhenStandardErrorIsTheJournal() {
        #expect(LogStyle.detect(journalStream: nil) == .plain)
        #expect(LogStyle.detect(journalStream: "1:1") == .plain)
        #expect(LogStyle.detect(journalStream: standardErrorIdentity()) == .journal)
    }
}
