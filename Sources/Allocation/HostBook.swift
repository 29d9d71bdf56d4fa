import NetworkTypes

/// The input, summed and ordered: hosts by name, their blocks and shares.
struct HostBook {
    struct Row {
        var demand: HostDemand
        var held: Int
        var share: Double
        /// Identifiers that must be there at once.
        var base: Int { demand.inUse + demand.cooling + demand.pending }
        /// Runs the application: the watermark applies.
        var isActive: Bool { demand.inUse > 0 || demand.pending > 0 || demand.recentLaunches >= 0.5 }
    }

    let blockSize: Int
    let rows: [Row]
    let blocks: [OwnedBlock]
    /// Reserved and not leased, lowest first.
    let unleased: [OwnedBlock]
    let inUse: Int
    let cooling: Int
    /// Waiting on a host.
    let pending: Int

    init(_ input: AllocationInput, blockSize: Int) {
        self.blockSize = blockSize
        blocks = input.blocks.sorted { $0.block < $1.block }
        unleased = blocks.filter { $0.host == nil }
        var held: [HostID: Int] = [:]
        for case let host? in blocks.map(\.host) { held[host, default: 0] += 1 }
        var demands = input.hosts
        // A host that the caller forgot keeps what it has: silence ends no lease.
        let named = Set(demands.map(\.host))
        demands += held.keys.filter { !named.contains($0) }.map { HostDemand(host: $0, acceptsLeases: false) }
        demands.sort { $0.host < $1.host }
        let shares = Self.shares(demands)
        rows = demands.indices.map { index in
            Row(demand: demands[index], held: held[demands[index].host] ?? 0, share: shares[index])
        }
        inUse = demands.reduce(0) { $0 + $1.inUse }
        cooling = demands.reduce(0) { $0 + $1.cooling }
        pending = demands.reduce(0) { $0 + $1.pending }
    }

    var ownedBlocks: Int { blocks.count }
    var owned: Int { blocks.reduce(0) { $0 + $1.block.size } }
    /// Identifiers that are spoken for on hosts.
    var demand: Int { inUse + cooling + pending }

    /// Where the next launches are expected: recent launches, averaged with the forecast of share where there is one,
    /// times the operator's weight; VMs present while nothing was launched lately; else evenly.
    private static func shares(_ demands: [HostDemand]) -> [Double] {
        let open = demands.map { $0.acceptsLeases && $0.weight > 0 }
        func normalised(_ value: (HostDemand) -> Double) -> [Double]? {
            let values = zip(demands, open).map { $1 ? max(0, value($0)) * $0.weight : 0 }
            let sum = values.reduce(0, +)
            return sum > 0 ? values.map { $0 / sum } : nil
        }
        let recent = normalised(\.recentLaunches)
        let forecast = normalised { $0.forecastShare ?? 0 }
        if let recent, let forecast { return zip(recent, forecast).map { ($0 + $1) / 2 } }
        return forecast ?? recent ?? normalised { Double($0.inUse) } ?? normalised { _ in 1 } ?? demands.map { _ in 0 }
    }

    /// Blocks that each host should hold when `rise` identifiers beyond the present ones are expected.
    func wanted(rise: Int, policy: AllocationPolicy) -> [Int] {
        let canShare = rows.contains { $0.share > 0 }
        let rises = canShare ? apportion(max(0, rise), weights: rows.map(\.share)) : rows.map { _ in 0 }
        return rows.indices.map { index in
            let row = rows[index]
            guard row.demand.acceptsLeases else { return row.held }
            let low = row.isActive ? policy.plainLowWatermark : 0
            let plain = whole(row.base + max(rises[index], low))
            let free = row.held * blockSize - row.base
            guard row.isActive, free < policy.plainLowWatermark else { return plain }
            let high = max(policy.highWatermark ?? blockSize, policy.plainLowWatermark)
            return max(plain, row.held + whole(high - free))
        }
    }

    /// The same wishes with the growth that the cap leaves, waiting launches first, then the host with least free.
    func capped(_ wanted: [Int], cap: Int?, unleased: Int) -> [Int] {
        guard let cap else { return wanted }
        var budget = unleased + max(0, cap / blockSize - ownedBlocks)
        guard missing(wanted) > budget else { return wanted }
        var result = zip(rows, wanted).map { min($0.held, $1) }
        for index in rows.indices where wanted[index] > rows[index].held { result[index] = rows[index].held }
        while budget > 0 {
            let open = rows.indices.filter { result[$0] < wanted[$0] }
            let next = open.min { left, right in
                let (a, b) = (urgency(left, result[left]), urgency(right, result[right]))
                return a == b ? left < right : a < b
            }
            guard let next else { break }
            result[next] += 1
            budget -= 1
        }
        return result
    }

    private func urgency(_ index: Int, _ blocks: Int) -> Int { blocks * blockSize - rows[index].base }

    /// Blocks to lease beyond those held.
    func missing(_ wanted: [Int]) -> Int { zip(rows, wanted).reduce(0) { $0 + max(0, $1.1 - $1.0.held) } }

    func shares(_ wanted: [Int]) -> [HostShare] {
        zip(rows, wanted).map { HostShare(host: $0.demand.host, held: $0.held, wanted: $1) }
    }

    /// Free identifiers that the watermark keeps over all active hosts.
    func watermarkFloor(_ policy: AllocationPolicy) -> Int {
        rows.reduce(0) { $0 + ($1.isActive && $1.demand.acceptsLeases ? policy.plainLowWatermark : 0) }
    }

    private func whole(_ identifiers: Int) -> Int { max(0, (identifiers + blockSize - 1) / blockSize) }
}
