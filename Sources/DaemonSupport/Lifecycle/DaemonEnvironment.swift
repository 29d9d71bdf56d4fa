import FoundationEssentials

/// The environment variables that a daemon heeds; this is the one place that reads them.
public struct DaemonEnvironment: Hashable, Sendable {
    /// `NOTIFY_SOCKET`: where the service manager listens (sd_notify(3)).
    public var notifySocket: String?
    /// `JOURNAL_STREAM`: the file that leads to the journal (systemd.exec(5)).
    public var journalStream: String?

    public init(notifySocket: String? = nil, journalStream: String? = nil) {
        self.notifySocket = notifySocket
        self.journalStream = journalStream
    }

    public static var current: DaemonEnvironment {
        let variables = ProcessInfo.processInfo.environment
        return DaemonEnvironment(
            notifySocket: variables["NOTIFY_SOCKET"], journalStream: variables["JOURNAL_STREAM"])
    }
}
