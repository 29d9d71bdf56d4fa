/// What sets of blocks of one (application, host) cost on average over the hours ahead, in identifiers.
struct BlockCost {
    struct Choice {
        /// By place, the largest block first.
        var open: Places
        /// Order of a block to lease.
        var lease: Int?
    }

    /// Which of the blocks take launches, by place.
    struct Places {
        private var bits: UInt64 = 0
        subscript(place: Int) -> Bool {
            get { bits & 1 << UInt64(place) != 0 }
            set { if newValue { bits |= 1 << UInt64(place) } else { bits &= ~(1 << UInt64(place)) } }
        }
    }

    private struct Block {
        var order: Int
        /// Share of the horizon until the last VM in it has stopped.
        var staying: Double
    }

    let present: Places
    /// Places of the blocks that may change.
    let weighed: [Int]
    private let blocks: [Block]
    /// Indices of the caller by place.
    private let indices: [Int]
    private let callers: Int
    private let blockCost: Double
    private let leaseMin: Double
    /// By capacity: share of the hours whose peak exceeds it; none exceeds what lies beyond the end.
    private var exceeding: [Double]

    /// More blocks than bits of ``Places`` are left as they are.
    private static let placesMax = 64

    init(_ views: [BlockPolicy.View], outlook: BlockPolicy.Outlook, policy: BlockPolicy) {
        let sorted = views.indices.sorted { left, right in
            (views[left].order, views[left].bound, right) > (views[right].order, views[right].bound, left)
        }
        let indices = Array(sorted.prefix(Self.placesMax))
        self.indices = indices
        callers = views.count
        let life = outlook.life / BlockPolicy.horizon
        blocks = indices.map { index in
            let bound = views[index].bound
            return Block(order: views[index].order, staying: bound > 0 ? min(1, life * Self.harmonic(bound)) : 0)
        }
        var present = Places()
        for (place, index) in indices.enumerated() { present[place] = views[index].isOpen }
        self.present = present
        let emptiest = indices.indices.sorted { left, right in
            (views[indices[left]].bound, right) < (views[indices[right]].bound, left)
        }
        weighed = emptiest.prefix(BlockPolicy.weighedMax).sorted()
        blockCost = policy.routeCost * Double(max(1, outlook.carriers))
        leaseMin = min(1, policy.leaseMin / BlockPolicy.horizon)
        exceeding = Self.exceeding(outlook.peaks.isEmpty ? [outlook.now] : outlook.peaks)
    }

    func capacity(of choice: Choice) -> Int {
        var capacity = choice.lease.map { 1 << $0 } ?? 0
        for place in blocks.indices where choice.open[place] { capacity += 1 << blocks[place].order }
        return capacity
    }

    func cost(of choice: Choice) -> Double {
        var (cost, capacity) = (0.0, 0)
        var lease = choice.lease
        func add(_ order: Int, least: Double) {
            // A needless block costs nothing by hours; the trifle decides for giving it back.
            cost += whole(order) * max(share(above: capacity), least) + 1e-4
            capacity += 1 << order
        }
        for (place, block) in blocks.enumerated() {
            if let order = lease, order > block.order {
                add(order, least: leaseMin)
                lease = nil
            }
            if choice.open[place] {
                add(block.order, least: block.staying)
            } else {
                cost += whole(block.order) * block.staying
            }
        }
        if let order = lease { add(order, least: leaseMin) }
        return cost + shortfall(capacity)
    }

    func wish(_ choice: Choice) -> BlockPolicy.Wish {
        var open = Array(repeating: true, count: callers)
        for (place, index) in indices.enumerated() { open[index] = choice.open[place] }
        return BlockPolicy.Wish(open: open, lease: choice.lease)
    }

    private func whole(_ order: Int) -> Double { Double(1 << order) + blockCost }

    private func share(above capacity: Int) -> Double {
        capacity < exceeding.count ? exceeding[capacity] : 0
    }

    /// What has to be leased besides in the hours whose peak is above: the smallest block that holds the rest, after as
    /// many of the largest as it takes.
    private func shortfall(_ capacity: Int) -> Double {
        var (cost, held) = (0.0, capacity)
        var above = share(above: held)
        while above > 0 {
            for order in BlockPolicy.orders where above > 0 {
                let beyond = share(above: held + 1 << order)
                cost += whole(order) * (above - beyond)
                above = beyond
            }
            cost += whole(BlockPolicy.orders.upperBound) * above
            held += 1 << BlockPolicy.orders.upperBound
        }
        return cost
    }

    private static func exceeding(_ peaks: [Int]) -> [Double] {
        var counts = Array(repeating: 0.0, count: max(0, peaks.max() ?? 0) + 1)
        for peak in peaks { counts[max(0, peak)] += 1 }
        var above = 0.0
        for peak in counts.indices.reversed() {
            let here = counts[peak]
            counts[peak] = above / Double(peaks.count)
            above += here
        }
        return counts
    }

    /// Mean life of the longest-lived of `count` VMs, in lives of one: the sum of 1/i, for exponential lives.
    private static func harmonic(_ count: Int) -> Double { harmonics[min(count, harmonics.count - 1)] }

    private static let harmonics: [Double] = {
        var sums = [0.0]
        for count in 1...(1 << BlockPolicy.orders.upperBound) { sums.append(sums[count - 1] + 1 / Double(count)) }
        return sums
    }()
}
