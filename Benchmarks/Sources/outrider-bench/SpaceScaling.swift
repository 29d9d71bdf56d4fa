import NetworkTypes
import SNISpace
import SimulationKit

/// Plans and listings at two sizes of the book: what they cost follows from what they answer, not from what there is.
enum SpaceScaling {
    private static let application = ApplicationID(UUID128(high: 1, low: 1))
    private static let other = ApplicationID(UUID128(high: 1, low: 2))
    private static let rounds = 200

    static func run() throws {
        for blocks in [1 << 10, 100 << 10] {
            let book = try book(blocks: blocks)
            let leases = book.allLeases
            precondition(leases.count == blocks, "\(leases.count) blocks are leased, not \(blocks)")
            let temperatures = Temperatures()
            let now = Instant(nanoseconds: 0)
            func note(_ name: String, _ body: (Int) throws -> Void) throws {
                let clock = ContinuousClock()
                let elapsed = try clock.measure { for round in 0..<rounds { try body(round) } }
                let each = elapsed.inSeconds / Double(rounds) * 1e6
                Results.note("space: \(name), \(blocks) blocks", each, "us")
            }
            // Every second block is in use.
            try note("preempt 4 blocks") { _ in
                let plan = try book.preempt(
                    for: other, count: 64, rank: ClassRank(rawValue: 1), isBound: { $0.first.rawValue >> 4 & 1 == 0 })
                precondition(plan.blocks.count == 4, "\(plan.blocks.count) blocks are preempted")
            }
            try note("compaction of 8") { _ in
                let plan = book.compactionPlan(
                    of: application, temperatures: temperatures, at: now, limit: 8, used: { _ in 0 })
                precondition(plan.count == 8, "\(plan.count) blocks are compacted")
            }
            try note("page of 100 leases") { round in
                let last = leases[round * 4].block
                let page = book.leases(after: last, of: application, limit: 100)
                precondition(page.count == 100, "\(page.count) leases on a page")
            }
            try note("exclude a block") { round in
                let events = try book.exclude([leases[round * 4].block.range])
                precondition(events.count == 1, "\(events.count) events")
            }
        }
    }

    /// One application with so many blocks of 16, in ranges of 256.
    private static func book(blocks: Int) throws -> Book {
        var book = Book(
            plan: try PoolPlan(
                chunkOrder: 12, pool: [SNIRange(unchecked: 0, count: 1 << 24)], excluded: [],
                key: ShuffleKey(high: 1, low: 2)))
        var serial: UInt64 = 0
        let hosts = (0..<100).compactMap { HostID("host-\($0)") }
        while book.leaseCount < blocks {
            if !book.hasIdle(application, order: 4) {
                serial += 1
                let events = try book.reserve(
                    id: ReservationID(UUID128(high: 2, low: serial)), application: application, count: 256,
                    blockOrder: 4, predicted: false, lifetime: .seconds(60), reason: "demand")
                for event in events { book.apply(event) }
            }
            let events = try book.lease(
                application: application, host: hosts[book.leaseCount % hosts.count], order: 4, predicted: false,
                fromReserved: true)
            for event in events { book.apply(event) }
        }
        return book
    }
}
