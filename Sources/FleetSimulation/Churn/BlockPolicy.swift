/// Which blocks one (application, host) should hold: a pure function of what it holds and of the demand there.
///
/// Two things are paid for: identifiers that lie unused, and blocks, each of which is a route, a nexthop and a VNI on
/// every peer. The policy looks for the set of blocks that covers the demand and costs least, where a block costs as
/// much as ``blockCost`` unused identifiers: small demands get one block, large ones the two or three that fit them.
/// A block that has to go keeps its VMs and takes no launch (`closing`); it is paid for until the last of them stops.
public struct BlockPolicy: Hashable, Sendable {
    /// What one more block costs, in unused identifiers.
    public var blockCost = 6.0
    /// How long a set of blocks should fit: what parts from a block is charged its attrition as a share of it.
    public var horizon = Duration.seconds(12 * 3600)
    /// Share of the way from the present demand to the remembered peak of a day that a new block should cover.
    public var anticipation = 0.72
    /// Bounds of that share.
    public var partingMin = 0.6
    public var partingMax = 1.5
    /// A change that no demand forces must gain this share of the present cost.
    public var gainMin = 0.25
    /// Fewer ready identifiers than this, and another block is leased ahead.
    public var lowWatermark = 1
    /// Growth beyond the present demand that a new block should cover, as a share of it.
    public var headroom = 0.1
    /// How long an empty block rests before it is given back.
    public var hold = Duration.seconds(300)
    /// Time in which a past peak of demand is forgotten by half.
    public var memory = Duration.seconds(600)

    public init() {}

    /// Sizes as orders; `design.md` section 2 allows 4 ... 256.
    public static let orders = 2...8
    /// More blocks than this are not weighed against each other; the smallest beyond are closed.
    static let weighedMax = 6

    /// What the policy knows of a block.
    public struct View: Hashable, Sendable {
        public var order: Int
        /// VMs in it.
        public var bound: Int
        /// Identifiers that a launch may take now.
        public var ready: Int
        /// Takes launches.
        public var isOpen: Bool
        public init(order: Int, bound: Int, ready: Int, isOpen: Bool) {
            self.order = order
            self.bound = bound
            self.ready = ready
            self.isOpen = isOpen
        }
    }

    /// What the policy knows of the VMs of one (application, host).
    public struct Demand: Hashable, Sendable {
        /// Bound and cooling.
        public var now: Int
        /// The remembered peak of late, at least `now`.
        public var recent: Int
        /// The remembered peak of a day and more, at least `now`.
        public var dayPeak: Int
        /// Mean life of a VM there.
        public var life: Duration
        public init(now: Int, recent: Int, dayPeak: Int, life: Duration) {
            self.now = now
            self.recent = recent
            self.dayPeak = dayPeak
            self.life = life
        }
    }

    /// What should become of the blocks of one (application, host).
    public struct Wish: Hashable, Sendable {
        /// By block: true to take launches.
        public var open: [Bool]
        /// Order of a block to lease.
        public var lease: Int?
    }

    /// The block of the next launch: the fullest that has room, so that the others run empty; nil when none has.
    public func serving(_ blocks: [View]) -> Int? {
        var best: Int?
        for (index, block) in blocks.enumerated() where block.isOpen && block.ready > 0 {
            guard let present = best else {
                best = index
                continue
            }
            // The larger of two equally full ones: it is the one that will stay.
            let (left, right) = (block.bound << blocks[present].order, blocks[present].bound << block.order)
            if left > right || left == right && block.order > blocks[present].order { best = index }
        }
        return best
    }

    /// The cheapest set of blocks for the VMs of a place.
    ///
    /// - Parameters:
    ///   - blocks: those that may serve, open or closing, in any order.
    ///   - demand: nothing is given up that its recent peak needs.
    ///   - mustGrow: the open ones have too little room; otherwise only a clear gain changes anything.
    public func wish(_ blocks: [View], demand: Demand, mustGrow: Bool) -> Wish {
        let present = blocks.map(\.isOpen)
        let kept = weighed(blocks)
        let need = mustGrow ? grown(demand) : max(demand.now > 0 ? demand.now + lowWatermark : 0, demand.recent)
        var best = Wish(open: present, lease: nil)
        let unchanged = cost(blocks, demand, open: present, lease: nil)
        var bestCost = mustGrow ? Double.infinity : unchanged
        for choice in 0..<(1 << kept.count) {
            var open = blocks.map { _ in false }
            var capacity = 0
            for (bit, index) in kept.enumerated() where choice & 1 << bit != 0 {
                open[index] = true
                capacity += 1 << blocks[index].order
            }
            let isWhole = choice == 1 << kept.count - 1
            guard let lease = lease(missing: need - capacity, isWhole: isWhole) else { continue }
            if mustGrow, lease == 0, !hasRoom(blocks, open: open) { continue }
            let order = lease == 0 ? nil : lease
            var cost = cost(blocks, demand, open: open, lease: order)
            if !mustGrow, order != nil { cost += unchanged * gainMin }
            if cost < bestCost {
                bestCost = cost
                best = Wish(open: open, lease: order)
            }
        }
        return best
    }

    /// Demand that a new block is chosen for.
    private func grown(_ demand: Demand) -> Int {
        let ahead = max(headroom * Double(demand.now), anticipation * Double(demand.dayPeak - demand.now))
        return demand.now + max(lowWatermark, Int(ahead.rounded(.up)))
    }

    private func weighed(_ blocks: [View]) -> [Int] {
        guard blocks.count > Self.weighedMax else { return Array(blocks.indices) }
        return Array(blocks.indices.sorted { blocks[$0].order > blocks[$1].order }.prefix(Self.weighedMax))
    }

    /// The smallest order that covers what is missing, 0 when nothing is. Nil when no block is large enough, unless
    /// everything held is kept already: then the largest.
    private func lease(missing: Int, isWhole: Bool) -> Int? {
        guard missing > 0 else { return 0 }
        return Self.orders.first { 1 << $0 >= missing } ?? (isWhole ? Self.orders.upperBound : nil)
    }

    private func hasRoom(_ blocks: [View], open: [Bool]) -> Bool {
        zip(blocks, open).reduce(0) { $0 + ($1.1 ? $1.0.ready : 0) } >= max(1, lowWatermark)
    }

    private func parting(_ bound: Int, life: Duration) -> Double {
        min(partingMax, max(partingMin, life / horizon * Self.harmonic(bound)))
    }

    /// Mean life of the longest-lived of `count` VMs, in lives of one: the sum of 1/i, for exponential lives.
    private static func harmonic(_ count: Int) -> Double {
        var sum = 0.0
        for index in 1...max(1, count) { sum += 1 / Double(index) }
        return sum
    }

    private func cost(_ blocks: [View], _ demand: Demand, open: [Bool], lease: Int?) -> Double {
        var cost = lease.map { Double(1 << $0) + blockCost } ?? 0
        for index in blocks.indices {
            let whole = Double(1 << blocks[index].order) + blockCost
            if open[index] {
                cost += whole
            } else if blocks[index].bound > 0 {
                cost += whole * parting(blocks[index].bound, life: demand.life)
            }
        }
        return cost
    }
}
