public import NetworkTypes

/// How many VMs run on each host, over all applications, and the hosts in the order of that number: what an
/// orchestrator that balances or packs looks at.
///
/// Hosts with equally many VMs are one bin of a sorted array, so that a launch, a stop and a host's place take constant
/// time (the bin sort of Batagelj and Zaveršnik, "An O(m) algorithm for cores decomposition of networks", 2003).
public struct FleetLoad: Hashable, Sendable {
    /// By index; ascending.
    public let hosts: [HostID]
    private let indices: [HostID: Int]
    private var totals: [Int]
    /// Indices, those with the fewest VMs first.
    private(set) var sorted: [Int]
    /// By index: where it stands in ``sorted``.
    private var places: [Int]
    /// By number of VMs: the first place of a host that has at least so many.
    private var starts: [Int]
    /// The most VMs that a host ever had: as much as is known of what one takes.
    public private(set) var peak: Int

    /// - Parameter peak: of an earlier value with other hosts.
    public init(_ totals: [HostID: Int], peak: Int = 0) {
        hosts = totals.keys.sorted()
        indices = Dictionary(uniqueKeysWithValues: zip(hosts, hosts.indices))
        let values = hosts.map { max(0, totals[$0] ?? 0) }
        self.totals = values
        sorted = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
        places = Array(repeating: 0, count: values.count)
        for (place, index) in sorted.enumerated() { places[index] = place }
        let most = values.max() ?? 0
        starts = Array(repeating: values.count, count: most + 2)
        for place in sorted.indices.reversed() { starts[values[sorted[place]]] = place }
        for total in (0...most).reversed() { starts[total] = min(starts[total], starts[total + 1]) }
        self.peak = max(peak, most)
    }

    public var count: Int { hosts.count }
    public func index(of host: HostID) -> Int? { indices[host] }
    public func total(_ index: Int) -> Int { totals[index] }

    /// A VM more, or one less; hosts that are not known change nothing.
    public mutating func add(_ count: Int, on host: HostID) {
        guard let index = indices[host] else { return }
        for _ in 0..<max(0, count) { raise(index) }
        for _ in 0..<max(0, -count) where totals[index] > 0 { lower(index) }
    }

    private mutating func raise(_ index: Int) {
        let total = totals[index]
        if total + 2 >= starts.count { starts.append(hosts.count) }
        starts[total + 1] -= 1
        swap(places[index], starts[total + 1])
        totals[index] = total + 1
        peak = max(peak, total + 1)
    }

    private mutating func lower(_ index: Int) {
        let total = totals[index]
        swap(places[index], starts[total])
        starts[total] += 1
        totals[index] = total - 1
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        sorted.swapAt(left, right)
        places[sorted[left]] = left
        places[sorted[right]] = right
    }

    func place(_ index: Int) -> Int { places[index] }

    /// Hosts that have fewer VMs than the fullest ever had.
    var roomy: Int { peak < starts.count ? starts[peak] : hosts.count }
}
