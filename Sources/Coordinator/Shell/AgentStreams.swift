import ControlAPI
import CoordinatorCore
import GRPCCore
import Synchronization

/// The way out to one agent: a bounded queue between the shell, which never waits, and the network.
typealias Outbox = AsyncThrowingStream<Outrider_V1_CoordinatorMessage, any Error>

/// The open agent streams. Leaf data behind a lock, because a stop signal arrives on no actor.
final class AgentStreams: Sendable {
    /// Messages that may wait for one agent. An agent that is this far behind is cut off; it comes back and gets one
    /// snapshot in place of them all.
    static let queueMax = 4096

    private struct State {
        var last: UInt64 = 0
        var open: [StreamID: Outbox.Continuation] = [:]
        var overflows = 0
        /// Why nobody may connect any more.
        var closing: String?
    }
    private let state = Mutex(State())

    /// Streams cut off because their agent was too slow.
    var overflows: Int { state.withLock { $0.overflows } }
    var count: Int { state.withLock { $0.open.count } }

    func open() throws(RPCError) -> (StreamID, Outbox) {
        let (outbox, continuation) = Outbox.makeStream(bufferingPolicy: .bufferingOldest(Self.queueMax))
        let result: Result<StreamID, RPCError> = state.withLock { state in
            if let reason = state.closing { return .failure(RPCError(code: .unavailable, message: reason)) }
            state.last += 1
            let id = StreamID(state.last)
            state.open[id] = continuation
            return .success(id)
        }
        return (try result.get(), outbox)
    }

    /// Queues a message; false when the stream is gone, or was cut off for falling behind.
    func send(_ message: Outrider_V1_CoordinatorMessage, to id: StreamID) -> Bool {
        guard let continuation = state.withLock({ $0.open[id] }) else { return false }
        guard case .dropped = continuation.yield(message) else { return true }
        state.withLock { $0.overflows += 1 }
        close(id, RPCError(code: .resourceExhausted, message: "too slow: connect again for a snapshot"))
        return false
    }

    /// Ends a stream after what is queued, with the status that the agent reads.
    func close(_ id: StreamID, _ error: RPCError) {
        state.withLock { $0.open.removeValue(forKey: id) }?.finish(throwing: error)
    }

    func forget(_ id: StreamID) { state.withLock { $0.open.removeValue(forKey: id) }?.finish() }

    /// Ends every stream and admits no other.
    func closeAll(_ reason: String) {
        let all = state.withLock { state in
            state.closing = reason
            defer { state.open = [:] }
            return state.open
        }
        for continuation in all.values {
            continuation.finish(throwing: RPCError(code: .unavailable, message: reason))
        }
    }
}
