public import NetworkTypes

/// VMs of one application on one host.
public struct VMGroup: Hashable, Comparable, Sendable {
    public var application: ApplicationID
    public var host: HostID
    public init(application: ApplicationID, host: HostID) {
        self.application = application
        self.host = host
    }
    public static func < (lhs: Self, rhs: Self) -> Bool {
        (lhs.application, lhs.host) < (rhs.application, rhs.host)
    }
}

/// Who talks with whom, out of the pairs that hosts report: bytes from one group of VMs to another, fading.
///
/// Bounded: of each sending group the ``destinationsMax`` that it sends most to are kept; a newcomer takes the place of
/// the one that has faded most. Nothing of it is durable: half an hour tells it anew.
struct CommunicationBook: Hashable, Sendable {
    static let destinationsMax = 32
    /// Sending groups; beyond, those that have faded most go.
    static let sourcesMax = 65_536
    /// Half-life, in aggregate intervals.
    static let halfLifeSlots = 180
    /// What is left after one interval: 2^(-1/180).
    private static let fade = 0.996_156_587_22
    /// What is left of it below this is forgotten, bytes.
    private static let least = 1.0

    private struct Flow: Hashable {
        var bytes: Double
        /// Up to which it has faded.
        var slot: Int

        func value(at slot: Int) -> Double {
            var left = max(0, slot - self.slot)
            guard left < 60 * CommunicationBook.halfLifeSlots else { return 0 }
            var (result, power) = (bytes, CommunicationBook.fade)
            while left > 0 {
                if left & 1 == 1 { result *= power }
                power *= power
                left >>= 1
            }
            return result
        }
    }

    private var flows: [VMGroup: [VMGroup: Flow]] = [:]

    var isEmpty: Bool { flows.isEmpty }
    var sources: Int { flows.count }

    /// So many bytes within one slot.
    mutating func add(_ bytes: UInt64, from source: VMGroup, to destination: VMGroup, at slot: Int) {
        guard bytes > 0 else { return }
        var mine = flows[source] ?? [:]
        mine[destination] = Flow(bytes: (mine[destination]?.value(at: slot) ?? 0) + Double(bytes), slot: slot)
        if mine.count > Self.destinationsMax {
            let faintest = mine.filter { $0.key != destination }
                .min { ($0.value.value(at: slot), $0.key) < ($1.value.value(at: slot), $1.key) }
            if let faintest { mine[faintest.key] = nil }
        }
        flows[source] = mine
    }

    /// Forgets what has faded, and the faintest sources beyond the bound.
    mutating func tidy(at slot: Int) {
        for (source, mine) in flows {
            let kept = mine.filter { $0.value.value(at: slot) >= Self.least }
            if kept.count < mine.count { flows[source] = kept.isEmpty ? nil : kept }
        }
        guard flows.count > Self.sourcesMax else { return }
        func sum(_ mine: [VMGroup: Flow]) -> Double { mine.values.reduce(0) { $0 + $1.value(at: slot) } }
        let order = flows.map { (key: $0.key, sum: sum($0.value)) }.sorted { ($0.sum, $0.key) < ($1.sum, $1.key) }
        for entry in order.prefix(flows.count - Self.sourcesMax) { flows[entry.key] = nil }
    }

    mutating func forget(_ application: ApplicationID) {
        for (source, mine) in flows {
            let kept = source.application == application ? [:] : mine.filter { $0.key.application != application }
            flows[source] = kept.isEmpty ? nil : kept
        }
    }

    /// Bytes of one slot: what is fed so much in every slot stands still.
    func all(at slot: Int) -> [(source: VMGroup, destination: VMGroup, bytesPerSlot: Double)] {
        let gain = 1 - Self.fade
        return flows.flatMap { source, mine in
            mine.map { (source: source, destination: $0.key, bytesPerSlot: $0.value.value(at: slot) * gain) }
        }
        .sorted { ($1.bytesPerSlot, $0.source, $0.destination) < ($0.bytesPerSlot, $1.source, $1.destination) }
    }
}
