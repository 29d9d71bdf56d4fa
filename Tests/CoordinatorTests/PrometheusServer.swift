import Foundation
import Synchronization
import Testing

/// A real Prometheus server on loopback, with a history and an exporter that the test makes.
final class PrometheusServer: Sendable {
    let port: Int
    private let directory: String
    private let exporterPort: Int
    private let process = Mutex<pid_t?>(nil)
    private let exporter = Mutex<pid_t?>(nil)

    var base: String { "http://127.0.0.1:\(port)" }

    /// - Parameter history: OpenMetrics text with time stamps, which becomes blocks of the database.
    init(directory: String, history: String = "") throws {
        self.directory = directory
        port = try freePort()
        exporterPort = try freePort()
        try FileManager.default.createDirectory(atPath: directory + "/www", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: directory + "/tsdb", withIntermediateDirectories: true)
        let text = """
            global: { scrape_interval: 200ms, scrape_timeout: 150ms }
            scrape_configs:
              - job_name: vms
                metrics_path: /metrics
                static_configs: [{ targets: ["127.0.0.1:\(exporterPort)"] }]

            """
        try text.write(toFile: directory + "/prometheus.yml", atomically: true, encoding: .utf8)
        guard !history.isEmpty else { return }
        let file = directory + "/history.txt"
        try history.write(toFile: file, atomically: true, encoding: .utf8)
        let maker = try Self.start(
            "promtool", ["tsdb", "create-blocks-from", "openmetrics", file, directory + "/tsdb"])
        maker.waitUntilExit()
        try #require(maker.terminationStatus == 0, "promtool makes blocks of the history")
    }

    deinit {
        stop()
        stopExporter()
    }

    func start() async throws {
        let started = try Self.start(
            "prometheus",
            [
                "--config.file=\(directory)/prometheus.yml", "--storage.tsdb.path=\(directory)/tsdb",
                "--storage.tsdb.retention.time=10y", "--web.listen-address=127.0.0.1:\(port)", "--log.level=error",
                "--query.lookback-delta=2s",
            ])
        process.withLock { $0 = started.processIdentifier }
        while try await fetch("/-/ready")?.status != 200 { try await Task.sleep(for: .milliseconds(50)) }
    }

    /// Kills it without warning.
    func stop() {
        Self.end(process)
    }

    /// What the exporter says from now on.
    func export(_ text: String) throws {
        try text.write(toFile: directory + "/www/metrics", atomically: true, encoding: .utf8)
        guard exporter.withLock({ $0 == nil }) else { return }
        let started = try Self.start(
            "python3",
            ["-m", "http.server", "--bind", "127.0.0.1", "--directory", directory + "/www", "\(exporterPort)"])
        exporter.withLock { $0 = started.processIdentifier }
    }

    func stopExporter() {
        Self.end(exporter)
    }

    /// Until nothing of it is left: its port is to be free again.
    private static func end(_ process: borrowing Mutex<pid_t?>) {
        guard let number = process.withLock({ $0 }) else { return }
        process.withLock { $0 = nil }
        kill(number, SIGKILL)
        while kill(number, 0) == 0 { usleep(10_000) }
    }

    func fetch(_ path: String) async throws -> (status: Int, text: String)? { try await fetchText("\(base)\(path)") }

    private static func start(_ program: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }
}

/// What curl gets; nil when nobody answers.
func fetchText(_ url: String) async throws -> (status: Int, text: String)? { try await aside { try curl(url) } }

/// Blocking work on a thread of its own: the server that is asked runs on the few threads of the concurrency pool, too.
func aside<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { done in
        Thread.detachNewThread { done.resume(with: Swift.Result { try body() }) }
    }
}

private func curl(_ url: String) throws -> (status: Int, text: String)? {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["curl", "--silent", "--max-time", "60", "--write-out", "\n%{http_code}", url]
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0, let end = text.lastIndex(of: "\n"),
        let status = Int(text[text.index(after: end)...])
    else { return nil }
    return (status, String(text[..<end]))
}

/// A port that was free a moment ago.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            let bound = unsafe bind(descriptor, $0, size)
            return bound == 0 ? unsafe getsockname(descriptor, $0, &size) : bound
        }
    }
    guard result == 0 else { throw POSIXError(.EADDRNOTAVAIL) }
    return Int(UInt16(bigEndian: address.sin_port))
}
