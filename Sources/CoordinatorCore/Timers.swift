import HeapModule
import NetworkTypes
import SNISpace

/// What a deadline is about.
enum TimerKey: Hashable, Sendable {
    case reservation(ReservationID)
    /// A mark without an answer.
    case drain(SNIBlock)
    case quarantine(SNIBlock)
    case silence(HostID)
    /// A fenced host has been silent for so long that it binds nothing.
    case fence(HostID)
    case decision
    /// Launches since that took what was staged.
    case follow
    /// The oldest unfolded aggregate interval.
    case fold
}

/// Deadlines of this process. They are never stored: what is stored are lengths, which start anew after a recovery.
struct Timers: Sendable {
    private struct Entry: Comparable {
        var due: Instant
        var order: UInt64
        var key: TimerKey
        static func < (lhs: Entry, rhs: Entry) -> Bool { (lhs.due, lhs.order) < (rhs.due, rhs.order) }
        static func == (lhs: Entry, rhs: Entry) -> Bool { lhs.order == rhs.order }
    }
    private var heap = Heap<Entry>()
    private var due: [TimerKey: (Instant, UInt64)] = [:]
    private var count: UInt64 = 0

    mutating func arm(_ key: TimerKey, at instant: Instant) {
        count += 1
        due[key] = (instant, count)
        heap.insert(Entry(due: instant, order: count, key: key))
        // Cancelled entries stay in the heap until they surface; a heap of mostly those is rebuilt.
        if heap.count > 64, heap.count > 4 * due.count {
            heap = Heap(due.map { Entry(due: $0.value.0, order: $0.value.1, key: $0.key) })
        }
    }

    mutating func cancel(_ key: TimerKey) { due[key] = nil }

    func deadline(_ key: TimerKey) -> Instant? { due[key]?.0 }

    var next: Instant? { due.isEmpty ? nil : heap.min?.due }

    /// Removes and returns the earliest key that is due.
    mutating func pop(at now: Instant) -> TimerKey? {
        while let entry = heap.min, entry.due <= now {
            heap.removeMin()
            guard let current = due[entry.key], current.1 == entry.order else { continue }
            due[entry.key] = nil
            return entry.key
        }
        return nil
    }
}
