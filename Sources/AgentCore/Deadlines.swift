import HeapModule
import NetworkTypes

/// At most one instant per key, and the earliest of them at no cost.
///
/// What was removed or moved stays in the heap until it surfaces; the top is always alive.
struct Deadlines<Key: Hashable & Comparable & Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        var at: Instant
        var key: Key
        static func < (lhs: Entry, rhs: Entry) -> Bool { lhs.at < rhs.at }
    }
    private var heap = Heap<Entry>()
    private var times: [Key: Instant] = [:]

    var count: Int { times.count }
    /// In no particular order.
    var keys: some Sequence<Key> { times.keys }
    var next: Instant? { heap.min?.at }

    subscript(key: Key) -> Instant? {
        get { times[key] }
        set {
            guard times[key] != newValue else { return }
            times[key] = newValue
            if let newValue { heap.insert(Entry(at: newValue, key: key)) }
            prune()
        }
    }

    /// Removes what is due, and returns its keys, ascending.
    mutating func removeDue(at now: Instant) -> [Key] {
        var due: [Key] = []
        while let entry = heap.min, entry.at <= now {
            times[entry.key] = nil
            due.append(entry.key)
            prune()
        }
        return due.sorted()
    }

    mutating func removeAll() {
        heap = Heap()
        times = [:]
    }

    private mutating func prune() {
        while let entry = heap.min, times[entry.key] != entry.at { heap.removeMin() }
        // What is dead below the top must not outgrow what lives.
        if heap.count > 64, heap.count > 4 * times.count {
            heap = Heap(times.map { Entry(at: $0.value, key: $0.key) })
        }
    }
}
