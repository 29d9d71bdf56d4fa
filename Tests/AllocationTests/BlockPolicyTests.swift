import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Block policy")
struct BlockPolicyTests {
    private let policy = BlockPolicy()

    private func outlook(
        _ now: Int, peaks: [Int]? = nil, life: Duration = .seconds(3600), carriers: Int = 10
    ) -> BlockPolicy.Outlook {
        .init(now: now, peaks: peaks ?? [now], life: life, carriers: carriers)
    }

    private func block(_ order: Int, _ bound: Int, open: Bool = true, staged: Bool = true) -> BlockPolicy.View {
        .init(order: order, bound: bound, ready: 1 << order - bound, isOpen: open, isStaged: staged)
    }

    private func capacity(_ blocks: [BlockPolicy.View], _ wish: BlockPolicy.Wish) -> Int {
        zip(blocks, wish.open).reduce(wish.lease.map { 1 << $0 } ?? 0) { $0 + ($1.1 ? 1 << $1.0.order : 0) }
    }

    // MARK: Which block serves

    @Test func theLargestBlockWithRoomServes() {
        #expect(policy.serving([block(3, 7), block(4, 1), block(2, 3)]) == 1)
        // Equally large: the fuller one, so that the other empties.
        #expect(policy.serving([block(3, 2), block(3, 5)]) == 1)
        #expect(policy.serving([block(4, 12, open: false), block(3, 2)]) == 1)
        #expect(policy.serving([block(2, 4), block(3, 1, open: false)]) == nil)
        #expect(policy.serving([]) == nil)
    }

    @Test func aStagedBlockServesBeforeALargerOneThatIsNot() {
        #expect(policy.serving([block(5, 0, staged: false), block(2, 1)]) == 1)
        #expect(policy.serving([block(5, 0, staged: false), block(2, 4)]) == 0)
    }

    // MARK: Which blocks there should be

    @Test(arguments: [(0, 2), (3, 2), (4, 3), (8, 4), (40, 6), (250, 8)])
    func theFirstBlockHoldsWhatIsExpected(peak: Int, order: Int) {
        let wish = policy.wish([], outlook: outlook(1, peaks: [peak + 1], carriers: 100))
        #expect(wish.lease == order)
    }

    /// The trade that the policy is about: few hosts, and identifiers are dear; many hosts, and routes are.
    @Test func moreHostsMakeForFewerBlocks() {
        // Sixteen are there in any hour, four more in one of three.
        let ahead = outlook(16, peaks: [16, 16, 20])
        var few = ahead
        few.carriers = 1
        #expect(policy.wish([block(4, 16)], outlook: few) == .init(open: [true], lease: 2))
        var many = ahead
        many.carriers = 60
        many.life = .seconds(600)
        #expect(policy.wish([block(4, 16)], outlook: many) == .init(open: [false], lease: 5))
    }

    @Test func thereIsRoomForOneMore() throws {
        try property("a wish has room for the present demand and one more") { generator in
            let blocks = (0..<generator.integer(in: 0...9)).map { _ in
                let order = generator.integer(in: 2...8)
                let bound = generator.integer(in: 0...1 << order)
                return block(order, bound, open: generator.chance(0.7))
            }
            let now = blocks.reduce(1) { $0 + $1.bound }
            let peaks = (0..<generator.integer(in: 0...30)).map { _ in generator.integer(in: 0...400) }
            let wish = policy.wish(
                blocks,
                outlook: outlook(
                    now, peaks: peaks, life: .seconds(generator.integer(in: 60...86_400)),
                    carriers: generator.integer(in: 0...200)))
            try hold(wish.open.count == blocks.count, "\(wish) is about \(wish.open.count) blocks")
            try hold(capacity(blocks, wish) > now, "\(blocks) became \(wish) with \(now) there")
            if let order = wish.lease { try hold(BlockPolicy.orders.contains(order), "no size: \(order)") }
        }
    }

    @Test func moreThanAnyBlockHoldsGetsTheLargest() {
        let full = (0..<8).map { _ in block(8, 256) }
        let wish = policy.wish(full, outlook: outlook(9 * 256 + 1))
        #expect(wish == .init(open: full.map { _ in true }, lease: 8))
        #expect(policy.wish([], outlook: outlook(1000)).lease == 8)
    }

    @Test func wishesSettle() throws {
        try property("wishes that are carried out come to an end") { generator in
            var blocks = (0..<generator.integer(in: 1...5)).map { _ in
                let order = generator.integer(in: 2...6)
                return block(order, generator.integer(in: 0...1 << order), open: generator.chance(0.7))
            }
            let ahead = outlook(
                blocks.reduce(1) { $0 + $1.bound },
                peaks: (0..<24).map { _ in generator.integer(in: 0...100) },
                life: .seconds(generator.integer(in: 600...40_000)))
            for _ in 0..<5 {
                let wish = policy.wish(blocks, outlook: ahead)
                if wish == .init(open: blocks.map(\.isOpen), lease: nil) { return }
                for index in blocks.indices { blocks[index].isOpen = wish.open[index] }
                if let order = wish.lease { blocks.append(block(order, 0)) }
            }
            try hold(false, "still another wish for \(blocks) with \(ahead)")
        }
    }

    /// A block that can be leased again when it is needed is not held until then.
    @Test func anEmptyPlaceKeepsNothing() {
        let blocks = [block(3, 0), block(4, 0)]
        #expect(policy.wish(blocks, outlook: outlook(0, peaks: [])) == .init(open: [false, false], lease: nil))
        #expect(policy.wish(blocks, outlook: outlook(0, peaks: [0, 6, 6, 6])).open == [false, false])
    }

    @Test func aSurplusBlockClosesAndALoneOneStays() {
        #expect(policy.wish([block(4, 10), block(2, 0)], outlook: outlook(10)).open == [true, false])
        #expect(policy.wish([block(4, 10)], outlook: outlook(10)).open == [true])
    }

    @Test func manySmallBlocksBecomeOneWhenTheirVMsStopSoon() {
        let small = (0..<5).map { _ in block(2, 4) }
        let day = Array(repeating: 21, count: 24)
        let brief = policy.wish(small, outlook: outlook(20, peaks: day, life: .seconds(600)))
        #expect(brief.lease == 5 || brief.lease == 4)
        #expect(brief.open.count { $0 } < 3)
        // VMs that stay for days: the small blocks stay with them, and a large one would only come on top.
        let long = policy.wish(small, outlook: outlook(20, peaks: day, life: .seconds(10 * 86_400)))
        #expect(long.open == small.map { _ in true } && long.lease == 2)
    }

    @Test func aMuchTooLargeBlockIsReplaced() {
        let patient = policy.wish([block(8, 3)], outlook: outlook(3, life: .seconds(86_400)))
        #expect(patient.open == [true] && patient.lease == nil, "VMs that stay for long keep their block")
        let brief = policy.wish([block(8, 3)], outlook: outlook(3, life: .seconds(600)))
        #expect(brief.open == [false] && brief.lease == 2)
    }

    /// The cost of a choice, counted hour by hour and block by block.
    @Test func costIsWhatEveryHourCosts() throws {
        try property("the sum by capacities equals the sum by hours") { generator in
            let blocks = (0..<generator.integer(in: 0...5)).map { _ in
                block(generator.integer(in: 2...6), 0, open: generator.chance(0.6))
            }
            let peaks = (0..<generator.integer(in: 1...24)).map { _ in generator.integer(in: 0...900) }
            let ahead = outlook(0, peaks: peaks, carriers: generator.integer(in: 1...40))
            let sum = BlockCost(blocks, outlook: ahead, policy: policy)
            let choice = BlockCost.Choice(open: sum.present, lease: nil)
            let route = policy.routeCost * Double(ahead.carriers)
            var naive = 0.0
            for peak in peaks {
                var capacity = 0
                for order in blocks.filter(\.isOpen).map(\.order).sorted(by: >) where capacity < peak {
                    naive += Double(1 << order) + route
                    capacity += 1 << order
                }
                while capacity < peak {
                    let order = BlockPolicy.orders.first { 1 << $0 >= peak - capacity } ?? 8
                    naive += Double(1 << order) + route
                    capacity += 1 << order
                }
            }
            naive /= Double(peaks.count)
            let open = Double(blocks.count(where: \.isOpen))
            let cost = sum.cost(of: choice)
            try hold(abs(cost - naive - open * 1e-4) < 1e-6, "\(cost) is not \(naive) for \(blocks), \(peaks)")
        }
    }
}
