/// Which blocks one (application, host) should hold: a pure function of the blocks there and of the demand ahead.
///
/// Two things are paid for, every hour: identifiers leased, used or not, and blocks, each of which is a route, a nexthop
/// and a VNI on every peer. The policy weighs sets of blocks (those held, open or closed, and at most one new lease) by
/// what they cost over the day ahead, and wishes for the cheapest one that has room for the present demand:
///
/// - VMs go into the largest block with room, so a block is needed only in hours whose peak the larger ones cannot hold.
///   In the other hours it empties by itself and can be given back: it is not paid for.
/// - In hours whose peak is larger than the whole set, the smallest block for the rest will have to be leased.
/// - A block that has VMs is paid for until the last of them stops, needed or not.
///
/// So a large block that fits the day is weighed against a small one with others now and then, and a place with many
/// small blocks moves to a large one as soon as that pays for the time in which it has both.
public struct BlockPolicy: Hashable, Sendable {
    /// What one route, with its nexthop and VNI, costs in identifiers: a block costs it at every host of its application.
    public var routeCost = 0.95
    /// A set without a new lease is left for one with it only if this share of the cost is saved.
    public var gainMin = 0.02
    /// A new block is paid for at least this long: less is not worth the messages.
    public var leaseMin = Duration.seconds(6 * 3600)
    /// Fewer ready identifiers than this, and another block is leased ahead; at least 1.
    public var lowWatermark = 1
    /// How long an empty closed block rests before it is given back.
    public var hold = Duration.seconds(60)
    /// How often a place that has room and no empty block is weighed again.
    public var weighInterval = Duration.seconds(3600)

    public init() {}

    /// Sizes as orders; `design.md` section 2 allows 4 ... 256.
    public static let orders = 2...8
    /// So far ahead costs are counted.
    public static let horizon = Duration.seconds(24 * 3600)
    /// More blocks than this are not weighed against each other: those with the most VMs stay as they are.
    static let weighedMax = 6

    /// What the policy knows of a block.
    public struct View: Hashable, Sendable {
        public var order: Int
        /// VMs in it.
        public var bound: Int
        /// Identifiers that a launch may take now.
        public var ready: Int
        /// Takes launches; else it keeps its VMs and empties.
        public var isOpen: Bool
        /// Every peer that can be reached carries it: a launch in it waits for nobody.
        public var isStaged: Bool
        public init(order: Int, bound: Int, ready: Int, isOpen: Bool, isStaged: Bool = true) {
            self.order = order
            self.bound = bound
            self.ready = ready
            self.isOpen = isOpen
            self.isStaged = isStaged
        }
    }

    /// The demand of one (application, host) as far as it can be told, in identifiers: bound, cooling and waiting.
    public struct Outlook: Hashable, Sendable {
        /// What needs room now.
        public var now: Int
        /// Peaks of equally likely hours within the horizon, in any order; empty: nothing but `now` is expected.
        public var peaks: [Int]
        /// Mean life of a VM there.
        public var life: Duration
        /// Hosts that hold a block of the application.
        public var carriers: Int
        public init(now: Int, peaks: [Int], life: Duration, carriers: Int) {
            self.now = now
            self.peaks = peaks
            self.life = life
            self.carriers = carriers
        }
    }

    /// What should become of the blocks of one (application, host).
    public struct Wish: Hashable, Sendable {
        /// By block: true to take launches.
        public var open: [Bool]
        /// Order of a block to lease.
        public var lease: Int?
    }

    /// The block of the next launch: the largest staged one with room, else the largest with room; nil when none has.
    ///
    /// The largest is the last one to be given up. The smaller ones carry what it cannot hold, and are empty soon after
    /// the demand fell.
    public func serving(_ blocks: [View]) -> Int? {
        var best: Int?
        for (index, block) in blocks.enumerated() where block.isOpen && block.ready > 0 {
            guard let present = best else {
                best = index
                continue
            }
            let other = blocks[present]
            let isBetter =
                block.isStaged == other.isStaged
                ? (block.order, block.bound) > (other.order, other.bound) : block.isStaged
            if isBetter { best = index }
        }
        return best
    }

    /// The cheapest set of blocks that has room for what is there and ``lowWatermark`` more.
    ///
    /// - Parameters:
    ///   - blocks: those that may serve, open or closing, in any order.
    ///   - outlook: where nothing is there now, nothing needs room.
    public func wish(_ blocks: [View], outlook: Outlook) -> Wish {
        let need = outlook.now > 0 ? outlook.now + max(1, lowWatermark) : 0
        let sum = BlockCost(blocks, outlook: outlook, policy: self)
        let present = BlockCost.Choice(open: sum.present, lease: nil)
        var best = present
        var bestCost = Double.infinity
        var gain = 0.0
        if sum.capacity(of: present) >= need {
            bestCost = sum.cost(of: present)
            gain = bestCost * gainMin
        }
        let weighed = sum.weighed
        for bits in 0..<(1 << weighed.count) {
            var open = sum.present
            for (bit, place) in weighed.enumerated() { open[place] = bits & 1 << bit != 0 }
            // One below the smallest order stands for no lease.
            for order in Self.orders.lowerBound - 1...Self.orders.upperBound {
                let choice = BlockCost.Choice(open: open, lease: Self.orders.contains(order) ? order : nil)
                let isLargest = bits == 1 << weighed.count - 1 && order == Self.orders.upperBound
                guard sum.capacity(of: choice) >= need || isLargest && bestCost == .infinity else { continue }
                let cost = sum.cost(of: choice) + (choice.lease == nil ? 0 : gain)
                if cost < bestCost - 1e-9 {
                    bestCost = cost
                    best = choice
                }
            }
        }
        return sum.wish(best)
    }
}
