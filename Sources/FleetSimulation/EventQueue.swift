/// What happens next, and to whom. `subject` is the index of a host, stream, process, slot or fault; `ticket` lets an
/// event find out that what it was meant for is gone (a killed process, a call that was answered).
struct Event {
    enum Kind: UInt8 {
        /// A message reaches the coordinator's end of a stream, or the agent's.
        case up, down
        /// An agent tries to open a stream.
        case dial
        /// The keepalive of a stream looks whether the other end still answers.
        case keepalive
        case echo, journalSync, kernelWork, reaper, outcome, agentTick, audit, agentStart, hostBoot
        case storeSync, coordinatorTick, coordinatorStart
        /// The client of one VM slot acts; a VM sends a packet; the operator acts.
        case client, packet, operate
        /// The operator starts, or ends, a migration; the hypervisors go on with one.
        case migrate, journey
        case fault, heal
        /// The stream of a host breaks.
        case breakStream
        /// The liveness phase looks whether everything has converged.
        case poll
    }
    var at: Int64
    var order: UInt64
    var kind: Kind
    var subject: Int32
    var ticket: UInt32
}

/// A binary heap of small values. Events of one instant come out in the order in which they were put in.
struct EventQueue {
    private var heap: [Event] = []
    private var count: UInt64 = 0

    init() { heap.reserveCapacity(4096) }

    var isEmpty: Bool { heap.isEmpty }

    mutating func put(_ kind: Event.Kind, _ subject: Int, ticket: UInt32 = 0, at: Int64) {
        count &+= 1
        let event = Event(at: at, order: count, kind: kind, subject: Int32(truncatingIfNeeded: subject), ticket: ticket)
        heap.append(event)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) >> 1
            guard Self.precedes(event, heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = event
    }

    mutating func take() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, Self.precedes(heap[child + 1], heap[child]) { child += 1 }
            guard Self.precedes(heap[child], last) else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return first
    }

    private static func precedes(_ lhs: Event, _ rhs: Event) -> Bool {
        lhs.at < rhs.at || lhs.at == rhs.at && lhs.order < rhs.order
    }
}
