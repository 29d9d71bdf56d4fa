import Synchronization

/// An ordered hand-over from one actor to one consumer, which takes everything that is there at once: many launches at
/// the same moment then share one journal sync and one kernel transaction.
///
/// It is bounded by its producers: the state machine limits waiting launches, and a state update is one item.
final class WorkQueue<Item: Sendable>: Sendable {
    private let items = Mutex<[Item]>([])
    private let signal: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (signal, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func put(_ item: Item) {
        items.withLock { $0.append(item) }
        continuation.yield()
    }

    /// Ends the consumer after what is queued now.
    func finish() { continuation.finish() }

    /// Calls `body` with all that has gathered, in order, until ``finish()`` or cancellation.
    func consume(isolation: isolated (any Actor)? = #isolation, _ body: ([Item]) async -> Void) async {
        for await _ in signal {
            let batch = takeAll()
            if !batch.isEmpty { await body(batch) }
        }
        let rest = takeAll()
        if !rest.isEmpty { await body(rest) }
    }

    private func takeAll() -> [Item] {
        items.withLock { queued in
            defer { queued = [] }
            return queued
        }
    }
}
