import ControlAPI
import CoordinatorCore
import DaemonSupport
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NetworkTypes
import ServiceLifecycle
import Testing

@testable import Coordinator

typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

/// A directory that goes away with the test.
struct TemporaryDirectory: ~Copyable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "outrider-coordinator-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Short periods, a pool of two chunks, and a port that the kernel chooses.
func testSettings(_ directory: String, extra: String = "") throws -> CoordinatorSettings {
    let base = """
        state-directory: \(directory)
        pool: [4096-12287]
        aggregate-interval: 100ms
        decision-interval: 30s
        lead-time: 200ms
        cooldown: 100ms
        quarantine: 100ms
        unreachable-after: 60s

        """
    var settings = try CoordinatorSettings(yaml: base + extra, file: "test.yaml")
    settings.listen = [Endpoint(host: .ipv4(IPv4Address(127 << 24 | 1)), port: 0)]
    settings.httpListen = []
    return settings
}

let quietLogger: Logger = {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    return logger
}()

/// Runs a coordinator in this process for as long as `body` uses it, then ends it gracefully.
func withCoordinator<Result: Sendable>(
    _ settings: CoordinatorSettings, _ body: @Sendable @escaping (Client) async throws -> Result
) async throws -> Result {
    try await withDaemon(settings) { _, client in try await body(client) }
}

/// The same, for who looks into it.
func withDaemon<Result: Sendable>(
    _ settings: CoordinatorSettings, profiler: ProfilerPlace = .here,
    _ body: @Sendable @escaping (CoordinatorDaemon, Client) async throws -> Result
) async throws -> Result {
    let daemon = try await CoordinatorDaemon(settings, profiler: profiler, logger: quietLogger)
    let services = daemon.services(notifier: ServiceManagerNotifier(socketPath: nil))
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: services.map { .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) },
            logger: quietLogger))
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        let port = try #require(try await daemon.servers[0].boundPort())
        do {
            let result = try await withClient(port: port) { client in try await body(daemon, client) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return result
        } catch {
            await group.triggerGracefulShutdown()
            throw error
        }
    }
}

func withClient<Result: Sendable>(
    port: Int, _ body: @Sendable @escaping (Client) async throws -> Result
) async throws -> Result {
    let transport = try HTTP2ClientTransport.Posix(
        target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext)
    return try await withGRPCClient(transport: transport) { client in try await body(client) }
}

/// The status and stable code of a refusal.
func refusal(_ body: () async throws -> Void) async -> String {
    do {
        try await body()
        return "none"
    } catch let error as RPCError {
        let code = error.metadata[stringValues: "outrider-code"].first { _ in true } ?? "-"
        return "\(error.code) \(code)"
    } catch {
        return "\(error)"
    }
}
