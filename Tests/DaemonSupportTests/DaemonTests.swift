import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import DaemonSupport

/// Signals are of the whole process, so these run one after the other.
@Suite(.serialized) struct DaemonTests {
    private struct Waiter: Service {
        let started: @Sendable () -> Void
        let stopped: @Sendable () -> Void
        func run() async throws {
            started()
            try await gracefulShutdown()
            stopped()
        }
    }
    private struct Failing: Service {
        struct Broken: Error {}
        let wait: @Sendable () async throws -> Void
        func run() async throws {
            try await wait()
            throw Broken()
        }
    }
    private final class Journal: Sendable {
        let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private func daemon(
        _ journal: Journal, control: LogControl, notify: String? = nil,
        reload: @escaping @Sendable () throws -> Logger.Level = { .info }
    ) -> Daemon {
        let logger = Logger(label: "test") { label in
            StandardErrorLog(label: label, style: .journal, control: control) { journal.add($0) }
        }
        return Daemon(
            logger: logger, control: control, notifier: ServiceManagerNotifier(socketPath: notify),
            gracePeriod: .seconds(600), reload: reload)
    }

    /// Polls for what another task does; the deadline only turns a hang into a failure.
    private func eventually(_ condition: @Sendable () -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(600)
        while !condition() {
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(5))
        }
        return true
    }

    @Test func terminationSignalEndsGracefullyAndHangUpChangesTheLevel() async throws {
        let journal = Journal()
        let control = LogControl(level: .info)
        let daemon = daemon(journal, control: control, reload: { .debug })
        let waiter = Waiter(started: { journal.add("started") }, stopped: { journal.add("stopped") })
        async let run: Void = daemon.run([waiter])
        #expect(try await eventually { journal.all.contains("started") })
        // The handler for SIGHUP is installed by a service of its own; until then the signal would end the process.
        #expect(try await eventually { signalIsHandled(SIGHUP) && signalIsHandled(SIGTERM) })
        kill(getpid(), SIGHUP)
        #expect(try await eventually { control.level == .debug })
        kill(getpid(), SIGTERM)
        try await run
        #expect(journal.all.contains("stopped"))
        #expect(journal.all.contains("<6>stopping\n"))
    }

    @Test func failureOfOneServiceEndsTheOthersAndIsThrown() async throws {
        let journal = Journal()
        let daemon = daemon(journal, control: LogControl(level: .critical))
        let waiter = Waiter(started: { journal.add("started") }, stopped: { journal.add("stopped") })
        // Who has not begun is not asked to end.
        let failing = Failing { _ = try await eventually { journal.all.contains("started") } }
        await #expect(throws: Failing.Broken.self) { try await daemon.run([waiter, failing]) }
        #expect(journal.all.contains("stopped"))
    }

    @Test func serviceManagerHearsReadyStatusAndStopping() throws {
        let path = NSTemporaryDirectory() + "outrider-notify-\(UUID().uuidString.prefix(8))"
        let receiver = try DatagramReceiver(path: path)
        let notifier = ServiceManagerNotifier(socketPath: path)
        notifier.ready(status: "serving")
        notifier.status("busy")
        notifier.stopping()
        #expect(receiver.receive() == "READY=1\nSTATUS=serving")
        #expect(receiver.receive() == "STATUS=busy")
        #expect(receiver.receive() == "STOPPING=1")
        // Nobody listens: nothing happens.
        ServiceManagerNotifier(socketPath: path + "-gone").stopping()
        ServiceManagerNotifier(socketPath: nil).stopping()
    }
}
