import SimulationKit
import Testing

@testable import FleetSimulation

@Suite("Churn: block policy")
struct ChurnPolicyTests {
    private let policy = BlockPolicy()

    private func demand(_ now: Int, recent: Int? = nil, day: Int? = nil) -> BlockPolicy.Demand {
        .init(now: now, recent: recent ?? now, dayPeak: day ?? now, life: .seconds(3600))
    }

    private func block(_ order: Int, _ bound: Int, open: Bool = true) -> BlockPolicy.View {
        .init(order: order, bound: bound, ready: 1 << order - bound, isOpen: open)
    }

    @Test func theFullestBlockWithRoomServes() {
        #expect(policy.serving([block(3, 2), block(4, 12), block(2, 4)]) == 1)
        // Equally full: the larger one stays.
        #expect(policy.serving([block(3, 4), block(4, 8)]) == 1)
        #expect(policy.serving([block(4, 12, open: false), block(3, 2)]) == 1)
        #expect(policy.serving([block(2, 4), block(3, 1, open: false)]) == nil)
    }

    @Test(arguments: [(0, 2), (4, 2), (5, 3), (9, 4), (40, 6), (300, 8)])
    func theFirstBlockCoversWhatIsExpected(typical: Int, order: Int) {
        var policy = policy
        policy.anticipation = 1
        let wish = policy.wish([], demand: demand(0, day: typical), mustGrow: true)
        #expect(wish.lease == order)
    }

    @Test func aFullPlaceGrows() throws {
        try property("a wish to grow gives room for one more") { generator in
            let blocks = (0..<generator.integer(in: 0...8)).map { _ in
                let order = generator.integer(in: 2...8)
                return block(order, 1 << order, open: generator.chance(0.7))
            }
            let now = blocks.reduce(0) { $0 + $1.bound }
            let wish = policy.wish(blocks, demand: demand(now), mustGrow: true)
            try hold(wish.lease != nil, "\(blocks) are full and nothing is leased")
            try hold(BlockPolicy.orders.contains(wish.lease ?? 0), "no leasable size: \(wish)")
        }
    }

    @Test func nothingIsGivenUpThatTheRecentPeakNeeds() throws {
        try property("open blocks cover demand and recent peak") { generator in
            let blocks = (0..<generator.integer(in: 1...5)).map { _ in
                let order = generator.integer(in: 2...7)
                return block(order, generator.integer(in: 0...1 << order))
            }
            let now = blocks.reduce(0) { $0 + $1.bound }
            let recent = now + generator.integer(in: 0...20)
            let before = blocks.reduce(0) { $0 + 1 << $1.order }
            let wish = policy.wish(blocks, demand: demand(now, recent: recent), mustGrow: false)
            let open = zip(blocks, wish.open).reduce(0) { $0 + ($1.1 ? 1 << $1.0.order : 0) }
            let after = open + (wish.lease.map { 1 << $0 } ?? 0)
            try hold(after >= min(before, recent), "\(blocks) became \(wish) with a recent peak of \(recent)")
        }
    }

    @Test func anEmptyPlaceKeepsNothing() {
        let wish = policy.wish([block(3, 0), block(4, 0)], demand: demand(0), mustGrow: false)
        #expect(wish.open == [false, false])
        #expect(wish.lease == nil)
    }

    @Test func aSurplusBlockClosesAndALoneOneStays() {
        let wish = policy.wish([block(4, 10), block(2, 0)], demand: demand(10), mustGrow: false)
        #expect(wish.open == [true, false])
        #expect(policy.wish([block(4, 10)], demand: demand(10), mustGrow: false).open == [true])
    }

    @Test func aMuchTooLargeBlockIsReplaced() {
        var demand = demand(3)
        demand.life = .seconds(86_400)
        let patient = policy.wish([block(8, 3)], demand: demand, mustGrow: false)
        #expect(patient.open == [true] && patient.lease == nil, "VMs that stay for long keep their block")
        demand.life = .seconds(600)
        let brief = policy.wish([block(8, 3)], demand: demand, mustGrow: false)
        #expect(brief.open == [false] && brief.lease == 2)
        let empty = policy.wish([block(8, 0), block(2, 2)], demand: self.demand(2), mustGrow: false)
        #expect(empty.open == [false, true])
    }
}
