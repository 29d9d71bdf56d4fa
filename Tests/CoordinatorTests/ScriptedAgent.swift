import ControlAPI
import FleetMapping
import FleetProtocol
import GRPCCore
import NetworkTypes
import Testing

@testable import Coordinator

/// An agent by hand on a real stream.
enum ScriptedAgent {
    static let identity = AgentIdentity(
        host: HostID("node-1").unsafelyKnown, incarnation: Incarnation(UUID128(high: 1, low: 1)),
        boot: BootID(UUID128(high: 2, low: 2)))

    static func hello(recovering: Bool = false) -> AgentMessage {
        .hello(
            Hello(
                fingerprint: "f", vtep: .v4(IPv4Address(10 << 24 | 1)), underlayMTU: 1500, position: .zero,
                journalSequence: 0, version: "test", leases: [], bindings: [], recovering: recovering,
                aggregateSequence: 1))
    }

    /// Opens the agent's stream; `script` gets what to send with and what comes back.
    static func connect(
        _ client: Client,
        _ script: @Sendable @escaping (Script) async throws -> Void
    ) async throws {
        let (answers, sink) = AsyncThrowingStream<CoordinatorMessage, any Error>.makeStream()
        let (orders, orderSink) = AsyncStream<AgentMessage>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await Outrider_V1_Fleet.Client(wrapping: client).connect { writer in
                        var sequence: UInt64 = 0
                        for await message in orders {
                            sequence += 1
                            try await writer.write(
                                Outrider_V1_AgentMessage(message, from: identity, sequence: sequence))
                        }
                    } onResponse: { response in
                        for try await message in response.messages { sink.yield(try message.value()) }
                    }
                    sink.finish()
                } catch {
                    sink.finish(throwing: error)
                }
            }
            try await script(Script(orders: orderSink, answers: answers))
            orderSink.finish()
            try await group.waitForAll()
        }
    }

    struct Script: Sendable {
        let orders: AsyncStream<AgentMessage>.Continuation
        let answers: AsyncThrowingStream<CoordinatorMessage, any Error>
        func send(_ message: AgentMessage) { orders.yield(message) }
        /// The first answer that `pick` takes.
        func wait<Value>(_ pick: (CoordinatorMessage) -> Value?) async throws -> Value {
            for try await answer in answers {
                if let value = pick(answer) { return value }
            }
            throw RPCError(code: .cancelled, message: "the stream ended without the answer")
        }
        func lease() async throws -> LeaseOrder {
            try await wait { answer in
                guard case .stateUpdate(let update) = answer else { return nil }
                for case .setLease(let order) in update.operations { return order }
                return nil
            }
        }
    }
}

extension Optional {
    /// For constants in tests.
    fileprivate var unsafelyKnown: Wrapped {
        guard let self else { preconditionFailure("a test constant is not valid") }
        return self
    }
}
