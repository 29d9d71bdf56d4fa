import FoundationEssentials
public import Logging
import Synchronization

/// Level shared by all loggers of a process, so that SIGHUP can change it.
public final class LogControl: Sendable {
    private let current: Mutex<Logger.Level>
    public init(level: Logger.Level) { current = Mutex(level) }
    public var level: Logger.Level {
        get { current.withLock { $0 } }
        set { current.withLock { $0 = newValue } }
    }
}

/// How a line is begun.
public enum LogStyle: Sendable {
    /// UTC time and level, for terminals and files.
    case plain
    /// `<N>` with the syslog priority, which journald reads from a unit's standard error (sd-daemon(3)); journald adds
    /// the time itself.
    case journal

    /// ``journal`` when `JOURNAL_STREAM` names exactly the file that standard error is (systemd.exec(5): the variable
    /// is inherited, so a redirected child must compare device and inode).
    public static func detect(journalStream: String?) -> LogStyle {
        guard let journalStream, let identity = standardErrorIdentity(), identity == journalStream else {
            return .plain
        }
        return .journal
    }
}

/// Writes one line per message to standard error, in one write so that lines of several processes do not mix.
public struct StandardErrorLog: LogHandler {
    private let label: String
    private let style: LogStyle
    private let control: LogControl
    private let write: @Sendable (String) -> Void
    private var override: Logger.Level?
    public var metadata: Logger.Metadata = [:]

    init(
        label: String, style: LogStyle, control: LogControl,
        write: @escaping @Sendable (String) -> Void = { writeStandardError($0) }
    ) {
        self.label = label
        self.style = style
        self.control = control
        self.write = write
    }

    /// The process's level unless this logger has one of its own.
    public var logLevel: Logger.Level {
        get { override ?? control.level }
        set { override = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var extra = event.metadata ?? [:]
        if let error = event.error { extra["error"] = "\(error)" }
        write(
            line(
                level: event.level, message: event.message.description, extra: extra,
                seconds: Date().timeIntervalSince1970))
    }

    /// One line, newline included. Line breaks inside a message are escaped: one event is one line.
    func line(level: Logger.Level, message: String, extra: Logger.Metadata, seconds: Double) -> String {
        let fields = metadata.merging(extra) { $1 }.sorted { $0.key < $1.key }
        let tail = fields.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
        let text = (message + tail).replacing("\n", with: "\\n")
        switch style {
        case .journal: return "<\(level.syslogPriority)>\(text)\n"
        case .plain: return "\(utcText(seconds)) \(level.rawValue) \(label): \(text)\n"
        }
    }

    private static func quoted(_ value: String) -> String {
        value.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) || value.isEmpty
            ? "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"" : value
    }

}

extension Logger {
    /// The logger of a daemon: standard error, in the style that fits where standard error goes.
    ///
    /// - Parameter journalStream: value of `JOURNAL_STREAM` in the environment.
    public static func daemon(label: String, control: LogControl, journalStream: String?) -> Logger {
        let style = LogStyle.detect(journalStream: journalStream)
        return Logger(label: label) { StandardErrorLog(label: $0, style: style, control: control) }
    }
}

extension Logger.Level {
    /// RFC 5424 severity.
    var syslogPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// `2026-11-22T11:20:01.123Z` (RFC 3339) from seconds since 1970.
func utcText(_ seconds: Double) -> String {
    let milliseconds = Int64((seconds * 1000).rounded(.down))
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
    // Civil date from days, after Howard Hinnant's "chrono-compatible low-level date algorithms".
    let z = days + 719_468
    let era = z / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let fraction = String(rest % 1000)
    let padded = String(repeating: "0", count: 3 - fraction.count) + fraction
    return
        "\(year)-\(two(month))-\(two(day))T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):\(two(rest / 1000 % 60)).\(padded)Z"
}
