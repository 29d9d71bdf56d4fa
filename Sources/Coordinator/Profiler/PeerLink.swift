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
        /// What was last complained of, so that the log says a thing once.
        var complaint: String?
    }

    /// The long call brings something within this time, or the peer is no peer.
    private static let firstWord = Duration.seconds(15)

    /// A connection that says nothing.
    private struct Silence: Error, CustomStringConvertible {
        let description = "it took the connection and says nothing"
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
    /// - Throws: ``absence(_:)`` while the long call brings nothing.
    func client() throws(RPCError) -> Client {
        let (client, isUp, failure) = state.withLock { ($0.client, $0.isUp, $0.failure) }
        if let client, isUp { return client }
        throw absence(failure)
    }

    /// The refusal of a call that only the peer could answer.
    func absence(_ why: String?) -> RPCError {
        RPCError(
            code: .unavailable, message: "the \(name) at \(endpoint) does not answer" + (why.map { ": \($0)" } ?? ""),
            metadata: [RPCError.codeKey: "no-\(name)"])
    }

    /// Warns of what is wrong with what the peer says, once until something else is.
    func complain(_ what: String) {
        let isNews = state.withLock { state in
            defer { state.complaint = what }
            return state.complaint != what
        }
        if isNews { logger.warning("\(what)", metadata: ["address": "\(endpoint)"]) }
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

    /// Until a graceful shutdown or the first fatal error.
    ///
    /// - Parameters:
    ///   - fatal: what to end with after an error that no further attempt mends.
    ///   - call: the long call.
    func run(
        fatal: @Sendable @escaping (any Error) -> (any Error)? = { _ in nil },
        _ call: @Sendable @escaping (Client) async throws -> Void
    ) async throws {
        do {
            try await cancelWhenGracefulShutdown {
                var backoff = Backoff()
                while true {
                    let began = ContinuousClock.now
                    let failure = await self.attempt(call)
                    try Task.checkCancellation()
                    if let failure, let end = fatal(failure) { throw end }
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
                try await withThrowingTaskGroup(of: Bool.self) { group in
                    defer { group.cancelAll() }
                    group.addTask {
                        try await call(client)
                        return true
                    }
                    group.addTask {
                        try await Task.sleep(for: Self.firstWord)
                        if !self.isUp { throw Silence() }
                        return false
                    }
                    while let isOver = try await group.next(), !isOver {}
                }
            }
            return nil
        } catch {
            return error
        }
    }

    private func note(_ error: (any Error)?) {
        let why = words(for: error)
        let isNews = state.withLock { state in
            defer {
                state.isUp = false
                state.failure = why
            }
            return state.isUp || state.failure != why
        }
        guard isNews else { return }
        logger.warning(
            "the \(name) does not answer; trying again", metadata: ["address": "\(endpoint)", "why": "\(why)"])
    }

    private func words(for error: (any Error)?) -> String {
        guard let error else { return "it ended the call" }
        guard let error = error as? RPCError else { return "\(error)" }
        guard error.code != .unimplemented else {
            return "whoever is there is no \(name) of this kind: see --services and the address"
        }
        return "\(error.code): \(error.message)"
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
