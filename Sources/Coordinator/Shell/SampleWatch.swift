import Synchronization

/// Tells whoever watches that samples of the fleet were learnt, or that applications changed. Leaf data behind a lock, because a stop signal arrives on
/// no actor.
final class SampleWatch: Sendable {
    private struct State {
        var last: UInt64 = 0
        var watchers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var isFinished = false
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.watchers.count } }

    /// One element at once, then one after samples; who is slow gets one for several.
    func watch() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        continuation.yield()
        let isFinished = state.withLock { state in
            guard !state.isFinished else { return true }
            state.last += 1
            let number = state.last
            state.watchers[number] = continuation
            continuation.onTermination = { [weak self] _ in self?.forget(number) }
            return false
        }
        if isFinished { continuation.finish() }
        return stream
    }

    private func forget(_ number: UInt64) { state.withLock { $0.watchers[number] = nil } }

    func tell() {
        for continuation in state.withLock({ Array($0.watchers.values) }) { continuation.yield() }
    }

    /// Ends every watch; later ones end after their first element.
    func finish() {
        let all = state.withLock { state in
            state.isFinished = true
            defer { state.watchers = [:] }
            return Array(state.watchers.values)
        }
        for continuation in all { continuation.finish() }
    }
}
