import ControlAPIMapping
import DaemonSupport
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NetworkTypes
import ServiceLifecycle
import Synchronization

/// The connection to another of our processes: one long call at a time, begun again with jittered backoff whenever it ends.
/// Leaf data behind a lock.
final class PeerLink: Sendable {
    typealias Transport = HTTP2ClientTransport.Posix
    typealias Client = GRPCClient<Transport>

    private struct State {
        var client: Client?
        /// The long call brought something.
        var isUp = false
        /// Why it ended last.
        var failure: String?
    }

    /// What the peer is, for messages.
    let name: String
    let endpoint: DaemonSupport.Endpoint
    private let logger: Logger
    private let state = Mutex(State())

    init(_ name: String, at endpoint: DaemonSupport.Endpoint, logger: Logger) {
        self.name = name
        self.endpoint = endpoint
        self.logger = logger
    }

    var isUp: Bool { state.withLock { $0.isUp } }

    /// For a call in between.
    ///
    /// - Throws: `unavailable` while there is no connection.
    func client() throws(RPCError) -> Client {
        let (client, failure) = state.withLock { ($0.client, $0.failure) }
        if let client { return client }
        throw RPCError(
            code: .unavailable,
            message: "the \(name) at \(endpoint) does not answer" + (failure.map { ": \($0)" } ?? ""),
            metadata: [RPCError.codeKey: "no-\(name)"])
    }

    /// The long call brought something: it is up.
    func heard() {
        let isNews = state.withLock { state in
            defer {
                state.isUp = true
                state.failure = nil
            }
            return !state.isUp
        }
        if isNews { logger.notice("the \(name) answers", metadata: ["address": "\(endpoint)"]) }
    }

    /// Until a graceful shutdown or the first error that is `fatal`.
    ///
    /// - Parameters:
    ///   - isFatal: errors that no further attempt mends.
    ///   - call: the long call.
    func run(
        isFatal: @Sendable @escaping (any Error) -> Bool = { _ in false },
        _ call: @Sendable @escaping (Client) async throws -> Void
    ) async throws {
        do {
            try await cancelWhenGracefulShutdown {
                var backoff = Backoff()
                while true {
                    let began = ContinuousClock.now
                    let failure = await self.attempt(call)
                    try Task.checkCancellation()
                    if let failure, isFatal(failure) { throw failure }
                    self.note(failure)
                    try await Task.sleep(for: backoff.pause(after: ContinuousClock.now - began))
                }
            }
        } catch is CancellationError {
            // How it ends.
        }
    }

    private func attempt(_ call: @Sendable @escaping (Client) async throws -> Void) async -> (any Error)? {
        do {
            let transport = try HTTP2ClientTransport.Posix(
                target: endpoint.target, transportSecurity: .plaintext,
                config: .defaults { config in
                    config.connection.keepalive = .init(
                        time: .seconds(20), timeout: .seconds(10), allowWithoutCalls: false)
                    config.backoff.initial = Backoff.least
                    config.backoff.max = Backoff.most
                })
            try await withGRPCClient(transport: transport) { client in
                self.state.withLock { $0.client = client }
                defer { self.state.withLock { $0.client = nil } }
                try await call(client)
            }
            return nil
        } catch {
            return error
        }
    }

    private func note(_ error: (any Error)?) {
        let why = error.map { ($0 as? RPCError).map { "\($0.code): \($0.message)" } ?? "\($0)" } ?? "it ended the call"
        let isNews = state.withLock { state in
            defer {
                state.isUp = false
                state.failure = why
            }
            return state.isUp || state.failure == nil
        }
        guard isNews else { return }
        logger.warning(
            "the \(name) does not answer; trying again", metadata: ["address": "\(endpoint)", "why": "\(why)"])
    }
}

extension DaemonSupport.Endpoint {
    /// For a client.
    fileprivate var target: any ResolvableTarget {
        switch host {
        case .ipv4(let address): .ipv4(address: address.description, port: Int(port))
        case .ipv6(let address): .ipv6(address: address.description, port: Int(port))
        case .name(let name): .dns(host: name, port: Int(port))
        }
    }
}
