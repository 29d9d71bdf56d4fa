import CSystemShim

/// Tells the service manager how the daemon is (sd_notify(3)). Without a manager it does nothing.
public struct ServiceManagerNotifier: Sendable {
    private let socketPath: String?

    /// - Parameter socketPath: value of `NOTIFY_SOCKET` in the environment.
    public init(socketPath: String?) { self.socketPath = socketPath }

    /// Start-up is done; units ordered after this one may start.
    public func ready(status: String) { send("READY=1\nSTATUS=\(status)") }
    /// One line for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(text)") }
    public func stopping() { send("STOPPING=1") }

    /// A lost notification is not worth failing for: the manager's own time-out speaks up.
    private func send(_ state: String) {
        guard let socketPath else { return }
        _ = unsafe outrider_sd_notify(socketPath, state)
    }
}
