import AgentCore
import ControlAPI
import DaemonSupport
import FleetMapping
import FleetProtocol
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NetworkTypes

/// What the link tells its owner.
protocol CoordinatorLinkOwner: Sendable {
    /// A stream opened; everything sent through `outbound` until `linkDown` belongs to it.
    func linkUp(_ outbound: OutboundStream) async
    /// The coordinator said something on the stream with this number.
    func linkReceived(_ message: CoordinatorMessage, at position: Position, stream: UInt64) async
    /// The stream with this number ended.
    func linkDown(stream: UInt64, reason: String) async
}

/// The sending half of one stream. Bounded: an agent that cannot get rid of its messages reconnects and says hello
/// again instead of growing.
struct OutboundStream: Sendable {
    /// Counts the streams of this process.
    let number: UInt64
    fileprivate let continuation: AsyncStream<AgentMessage>.Continuation

    /// False when the stream is gone or full; the stream is then closed.
    @discardableResult
    func send(_ message: AgentMessage) -> Bool {
        if case .enqueued = continuation.yield(message) { return true }
        continuation.finish()
        return false
    }

    /// Ends the stream; the link connects again.
    func close() { continuation.finish() }
}

/// Keeps one stream to the coordinator: connects, hands messages over, and connects again with jittered backoff.
struct CoordinatorLink: Sendable {
    static let outboundLimit = 16384

    let host: String
    let port: Int
    let identity: AgentIdentity
    let logger: Logger

    /// Runs until its task is cancelled.
    func run(owner: some CoordinatorLinkOwner) async {
        var backoff = Backoff()
        var number: UInt64 = 0
        while !Task.isCancelled {
            number += 1
            let started = ContinuousClock.now
            let reason = await attempt(number: number, owner: owner)
            await owner.linkDown(stream: number, reason: reason)
            do {
                try await Task.sleep(for: backoff.pause(after: ContinuousClock.now - started))
            } catch {
                return
            }
        }
    }

    private func attempt(number: UInt64, owner: some CoordinatorLinkOwner) async -> String {
        do {
            let transport = try HTTP2ClientTransport.Posix(
                target: target, transportSecurity: .plaintext,
                config: .defaults { config in
                    config.connection.keepalive = .init(
                        time: .seconds(20), timeout: .seconds(10), allowWithoutCalls: false)
                    config.backoff.initial = Backoff.least
                    config.backoff.max = Backoff.most
                })
            try await withGRPCClient(transport: transport) { client in
                try await stream(over: Outrider_V1_Fleet.Client(wrapping: client), number: number, owner: owner)
            }
            return "the coordinator ended the stream"
        } catch let error as RPCError {
            return "\(error.code): \(error.message)"
        } catch {
            return String(describing: error)
        }
    }

    private func stream(
        over fleet: Outrider_V1_Fleet.Client<HTTP2ClientTransport.Posix>, number: UInt64,
        owner: some CoordinatorLinkOwner
    ) async throws {
        let identity = identity
        let (messages, continuation) = AsyncStream<AgentMessage>.makeStream(
            bufferingPolicy: .bufferingOldest(Self.outboundLimit))
        var options = CallOptions.defaults
        options.waitForReady = false
        defer { continuation.finish() }
        try await fleet.connect(
            options: options,
            requestProducer: { writer in
                await owner.linkUp(OutboundStream(number: number, continuation: continuation))
                var sequence: UInt64 = 0
                for await message in messages {
                    sequence += 1
                    try await writer.write(
                        Outrider_V1_AgentMessage(message, from: identity, sequence: sequence))
                }
            },
            onResponse: { response in
                for try await message in response.messages {
                    let value = try message.value()
                    await owner.linkReceived(value, at: message.position.value, stream: number)
                }
                continuation.finish()
            })
    }

    private var target: any ResolvableTarget {
        if IPv4Address(host) != nil { return .ipv4(address: host, port: port) }
        if IPv6Address(host) != nil { return .ipv6(address: host, port: port) }
        return .dns(host: host, port: port)
    }
}
