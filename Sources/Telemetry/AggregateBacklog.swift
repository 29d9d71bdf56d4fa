public import FleetProtocol
import NetworkTypes

/// Aggregates that the coordinator has not taken, bounded in number, size and age.
///
/// Above a bound the oldest are folded, two neighbors of one width into one of the double: recent intervals stay as they
/// are, old ones get coarser, and 512 of them reach back for 16,320 intervals. What is too old even so is given up and
/// counted.
public struct AggregateBacklog: Hashable, Sendable {
    public struct Limits: Hashable, Sendable {
        public var batchesMax: Int
        /// Bytes of memory, estimated.
        public var bytesMax: Int
        public var ageMax: Duration
        public init(batchesMax: Int = 512, bytesMax: Int = 16 << 20, ageMax: Duration = .seconds(7 * 86_400)) {
            self.batchesMax = max(1, batchesMax)
            self.bytesMax = bytesMax
            self.ageMax = ageMax
        }
    }

    public let limits: Limits
    /// By rising sequence.
    public private(set) var batches: [Aggregates] = []
    public private(set) var bytes = 0
    /// Intervals that were folded into others.
    public private(set) var folded: UInt64 = 0
    /// Intervals that were given up.
    public private(set) var lost: UInt64 = 0

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    public var isEmpty: Bool { batches.isEmpty }
    /// Intervals in it.
    public var intervals: Int { batches.reduce(0) { $0 + $1.folded } }

    /// Adds the next interval; one that is not above the last is left out.
    ///
    /// - Returns: whether anything but an addition at the end has happened.
    @discardableResult
    public mutating func append(_ batch: Aggregates) -> Bool {
        guard batches.last.map({ $0.sequence < batch.sequence }) ?? true else { return false }
        batches.append(batch)
        bytes += Self.cost(of: batch)
        let before = (folded, lost)
        expire(at: batch.endedAt)
        while batches.count > limits.batchesMax || (bytes > limits.bytesMax && batches.count > 1) { foldOne() }
        return before != (folded, lost)
    }

    /// Counts intervals that were given up elsewhere.
    public mutating func giveUp(_ count: UInt64) { lost += count }

    /// Removes what the coordinator has.
    ///
    /// - Returns: whether anything was removed.
    @discardableResult
    public mutating func acknowledge(upTo sequence: UInt64) -> Bool {
        let before = batches.count
        batches.removeAll { $0.sequence <= sequence }
        guard batches.count != before else { return false }
        bytes = batches.reduce(0) { $0 + Self.cost(of: $1) }
        return true
    }

    private mutating func expire(at now: Instant) {
        while let first = batches.first, now - first.endedAt > limits.ageMax {
            lost += UInt64(first.folded)
            bytes -= Self.cost(of: first)
            batches.removeFirst()
        }
    }

    /// Batches that each width may keep for itself before its oldest are folded.
    private var share: Int { max(1, limits.batchesMax / 8) }

    /// The oldest two neighbors of the smallest width that has more than its share; of any width where none has.
    private mutating func foldOne() {
        var counts: [Int: Int] = [:]
        for batch in batches { counts[batch.folded, default: 0] += 1 }
        let crowded = counts.filter { $0.value > share && hasNeighbors($0.key) }.keys.min()
        let first = crowded.flatMap(firstNeighbor) ?? 0
        let sum = batches[first].followed(by: batches[first + 1])
        folded += 1
        bytes += Self.cost(of: sum) - Self.cost(of: batches[first]) - Self.cost(of: batches[first + 1])
        batches[first] = sum
        batches.remove(at: first + 1)
    }

    private func hasNeighbors(_ width: Int) -> Bool { firstNeighbor(width) != nil }

    private func firstNeighbor(_ width: Int) -> Int? {
        batches.indices.dropLast().first { batches[$0].folded == width && batches[$0 + 1].folded == width }
    }

    static func cost(of batch: Aggregates) -> Int {
        batch.applications.reduce(128) { $0 + 320 + ($1.peers?.pairs.count ?? 0) * MemoryLayout<PeerTraffic>.stride }
    }
}

extension Aggregates {
    /// One batch for this and the next.
    func followed(by next: Aggregates) -> Aggregates {
        var sum = next
        sum.interval = interval + next.interval
        sum.folded = folded + next.folded
        sum.lost = max(lost, next.lost)
        if let before = unattributedPackets { sum.unattributedPackets = before &+ (next.unattributedPackets ?? 0) }
        var parts = Dictionary(applications.map { ($0.application, $0) }, uniquingKeysWith: { first, _ in first })
        sum.applications = next.applications.map { later in
            parts.removeValue(forKey: later.application).map { $0.followed(by: later) } ?? later
        }
        for var gone in parts.values {
            // Not named at the end: nothing of it was there any more.
            gone.vms = 0
            gone.cooling = 0
            gone.memory = nil
            gone.memoryVMs = 0
            gone.observed = gone.observed?.followed(by: ObservedAggregate(vms: 0, peakVMs: 0))
            sum.applications.append(gone)
        }
        sum.applications.sort { $0.application < $1.application }
        return sum
    }
}

extension ApplicationAggregate {
    func followed(by next: ApplicationAggregate) -> ApplicationAggregate {
        var sum = next
        sum.peakVMs = max(peakVMs, next.peakVMs)
        sum.launches += launches
        sum.stops += stops
        sum.misses += misses
        sum.waited += waited
        var all = measure
        all.add(next.measure)
        sum.measure = all
        if let before = observed {
            sum.observed = before.followed(by: next.observed ?? ObservedAggregate(vms: 0, peakVMs: 0))
        }
        return sum
    }
}

extension ObservedAggregate {
    func followed(by next: ObservedAggregate) -> ObservedAggregate {
        var all = measure
        all.add(next.measure)
        var sum = next
        sum.peakVMs = max(peakVMs, next.peakVMs)
        sum.launches += launches
        sum.stops += stops
        sum.measure = all
        return sum
    }
}
