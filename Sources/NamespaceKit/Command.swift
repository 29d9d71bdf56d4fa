import CNamespaceKit
import Foundation
import Synchronization

/// A program that was started here, with its output in a file.
public final class ChildProcess: Sendable {
    public let processID: Int32
    /// Standard output and error, appended.
    public let output: String
    private let line: String
    private let status = Mutex<Int32?>(nil)
    /// Children that were not seen to end, for the case that this process is interrupted.
    private static let running = Mutex<Set<Int32>>([])

    /// Starts `arguments` (found by PATH) in a process group of its own.
    ///
    /// With `namespace` the program runs in that network namespace and in the caller's mount namespace: `ip netns exec`
    /// would unshare mounts, and a namespace that the program makes would then be unusable outside.
    public init(_ arguments: [String], namespace: String? = nil, output: String) throws(KitError) {
        let prefix = namespace.map { ["nsenter", "--net=" + NetworkNamespace.path($0), "--"] } ?? []
        let all = prefix + arguments
        let packed = all.map { $0 + "\0" }.joined()
        let length = packed.utf8.count
        let result = unsafe nskit_spawn(packed, length, output)
        guard result > 0 else { throw .system(operation: "start \(all.joined(separator: " "))", errno: -result) }
        processID = result
        Self.running.withLock { _ = $0.insert(result) }
        self.output = output
        line = all.joined(separator: " ")
    }

    /// The exit code (128 + signal when killed), or nil while it runs.
    public func poll() -> Int32? {
        status.withLock { status in
            if status == nil {
                let code = nskit_wait(processID, 0)
                if code >= 0 {
                    status = code
                    Self.running.withLock { _ = $0.remove(processID) }
                }
            }
            return status
        }
    }

    public var isRunning: Bool { poll() == nil }

    /// Sends a signal to this one process; false when it has ended.
    @discardableResult
    public func signal(_ number: Int32) -> Bool { isRunning && nskit_kill(processID, number) == 0 }

    private static let short = Duration.milliseconds(20)

    /// Blocks until it ends.
    public func wait(timeout: Duration) throws(KitError) -> Int32 {
        let began = ContinuousClock.now
        var pause: useconds_t = 200
        while true {
            if let code = poll() { return code }
            let waited = ContinuousClock.now - began
            guard waited < timeout else { throw .timeout("end of '\(line)'") }
            usleep(pause)
            // Whoever times a short program does not time this.
            if waited > Self.short { pause = min(pause * 2, 5_000) }
        }
    }

    /// SIGTERM, then SIGKILL when it does not end within `grace`. Returns the exit code.
    @discardableResult
    public func stop(grace: Duration = .seconds(5)) -> Int32 {
        signal(SIGTERM)
        if let code = try? wait(timeout: grace) { return code }
        return kill()
    }

    /// SIGKILL, and waits for the end.
    @discardableResult
    public func kill() -> Int32 {
        signal(SIGKILL)
        return (try? wait(timeout: .seconds(10))) ?? -1
    }

    /// SIGKILL for every child of this process that still runs.
    public static func killAll() {
        for processID in running.withLock({ $0 }) { _ = nskit_kill(processID, SIGKILL) }
    }

    /// The whole output so far.
    public var outputText: String { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }
}

/// Short programs run to their end (`ip`, `nft`, `outriderctl`): test support may use them, the product may not.
public enum Command {
    public struct Result: Sendable {
        public let status: Int32
        public let output: String
    }

    private static let counter = Atomic<Int>(0)

    /// A path for a file of our own, unique in this process.
    static func temporaryPath(_ suffix: String) -> String {
        let number = counter.add(1, ordering: .relaxed).newValue
        return NSTemporaryDirectory() + "otr-\(getpid())-\(number)\(suffix)"
    }

    /// Runs a program and returns its exit code and everything it wrote. Slow machines have more time (``Patience``).
    public static func attempt(
        _ arguments: [String], namespace: String? = nil, timeout: Duration = .seconds(30)
    ) throws(KitError) -> Result {
        let path = temporaryPath(".out")
        defer { unlink(path) }
        let child = try ChildProcess(arguments, namespace: namespace, output: path)
        do throws(KitError) {
            let code = try child.wait(timeout: timeout * Patience.factor)
            return Result(status: code, output: child.outputText)
        } catch {
            child.kill()
            throw error
        }
    }

    /// The same, and any status but 0 is an error.
    @discardableResult
    public static func run(
        _ arguments: [String], namespace: String? = nil, timeout: Duration = .seconds(30)
    ) throws(KitError) -> String {
        let result = try attempt(arguments, namespace: namespace, timeout: timeout)
        guard result.status == 0 else {
            throw .command(line: arguments.joined(separator: " "), status: result.status, output: result.output)
        }
        return result.output
    }

    /// Feeds many lines to one `ip -batch`, in the namespace given (nil: this process's own).
    public static func ipBatch(_ lines: [String], namespace: String? = nil) throws(KitError) {
        guard !lines.isEmpty else { return }
        let path = temporaryPath(".batch")
        defer { unlink(path) }
        do {
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: false, encoding: .utf8)
        } catch {
            throw .unexpected("cannot write \(path): \(error)")
        }
        let scope = namespace.map { ["-n", $0] } ?? []
        try run(["ip"] + scope + ["-batch", path], timeout: .seconds(120))
    }
}
