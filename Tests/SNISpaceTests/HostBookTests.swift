import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct HostBookTests {
    static let application = ApplicationID(UUID128(high: 1, low: 1))

    @Test func agreesWithOneRecordPerIdentifier() throws {
        try property("host book", iterations: 20) { generator in
            var book = HostBook()
            var uses: [UInt32: IdentifierUse] = [:]
            /// The order in which identifiers became available, per block.
            var queues: [SNIBlock: [UInt32]] = [:]
            var cooling: [(sni: UInt32, until: Int64)] = []
            for step in 0..<500 {
                let sni = SessionNetworkID(unchecked: UInt32(generator.integer(in: 0...127)))
                let order = generator.pick(from: [0, 2, 4]) ?? 2
                let block = SNIBlock(aligned: sni.rawValue & ~(1 << UInt32(order) - 1), order: order)
                let use = uses[sni.rawValue]
                let home = queues.keys.first { $0.contains(sni) }
                switch generator.integer(in: 0...9) {
                case 0, 1:
                    let isFree = block.identifiers.allSatisfy { uses[$0.rawValue] == nil }
                    let added = (try? book.add(block, of: Self.application, isStaged: generator.chance(0.5))) != nil
                    try hold(added == isFree, "add \(block)")
                    guard added else { continue }
                    for sni in block.identifiers { uses[sni.rawValue] = .available }
                    queues[block] = block.identifiers.map(\.rawValue)
                case 2:
                    guard let home else { continue }
                    let isIdle = home.identifiers.allSatisfy { uses[$0.rawValue] == .available }
                    try hold(((try? book.remove(home)) != nil) == isIdle, "remove \(home)")
                    guard isIdle else { continue }
                    for sni in home.identifiers { uses[sni.rawValue] = nil }
                    queues[home] = nil
                case 3, 4, 5:
                    let expected = queues.values.map { $0.count }.max() ?? 0 > 0
                    let got = book.bind(for: Self.application)
                    try hold((got != nil) == expected, "bind")
                    guard let got, let home = queues.keys.first(where: { $0.contains(got) }) else { continue }
                    try hold(queues[home]?.first == got.rawValue, "\(got) is not unused for longest")
                    queues[home]?.removeFirst()
                    uses[got.rawValue] = .bound
                case 6:
                    try hold(((try? book.hold(sni)) != nil) == (use == .bound), "hold \(sni)")
                    if use == .bound { uses[sni.rawValue] = .held }
                case 7:
                    try hold(((try? book.resume(sni)) != nil) == (use == .held), "resume \(sni)")
                    if use == .held { uses[sni.rawValue] = .bound }
                case 8:
                    let isTaken = use == .bound || use == .held
                    let until = Instant(nanoseconds: Int64(step + 20))
                    try hold(((try? book.unbind(sni, until: until)) != nil) == isTaken, "unbind \(sni)")
                    guard isTaken else { continue }
                    uses[sni.rawValue] = .cooling
                    cooling.append((sni.rawValue, Int64(step + 20)))
                default:
                    let warm = book.warmUp(at: Instant(nanoseconds: Int64(step)))
                    let due = cooling.prefix { $0.until <= Int64(step) }.map(\.sni)
                    try hold(warm.map(\.rawValue) == due, "end of cooldowns")
                    cooling.removeFirst(due.count)
                    for sni in due {
                        uses[sni] = .available
                        guard let home = queues.keys.first(where: { $0.contains(SessionNetworkID(unchecked: sni)) })
                        else { throw PropertyViolation("\(sni) cools outside every block") }
                        queues[home]?.append(sni)
                    }
                }
                try compare(book, uses, queues)
            }
        }
    }

    private func compare(
        _ book: HostBook, _ uses: [UInt32: IdentifierUse], _ queues: [SNIBlock: [UInt32]]
    ) throws {
        for number in 0..<UInt32(128) {
            try hold(book.use(of: SessionNetworkID(unchecked: number)) == uses[number], "use of \(number)")
        }
        try hold(book.blockCount == queues.count, "blocks")
        for use in IdentifierUse.allCases {
            try hold(book.counts(of: Self.application)[use] == uses.values.count { $0 == use }, "number \(use)")
        }
        for (block, queue) in queues {
            try hold(book.counts(of: block)?[.available] == queue.count, "available in \(block)")
        }
    }

    @Test func stagedGoesBeforeLeasedAndFullBeforeEmpty() throws {
        var book = HostBook()
        let blocks = (0..<3).map { SNIBlock(aligned: UInt32($0) * 4, order: 2) }
        try book.add(blocks[0], of: Self.application, isStaged: false)
        #expect(book.pick(for: Self.application) == blocks[0].first)
        try book.add(blocks[1], of: Self.application, isStaged: true)
        try book.add(blocks[2], of: Self.application, isStaged: true)
        try book.bind(blocks[2].first)
        #expect((0..<3).map { _ in book.bind(for: Self.application)?.rawValue } == [9, 10, 11])
        #expect((0..<4).map { _ in book.bind(for: Self.application)?.rawValue } == [4, 5, 6, 7])
        #expect(book.bind(for: Self.application) == blocks[0].first)
        try book.setOpen(blocks[0], false)
        #expect(book.bind(for: Self.application) == nil)
        #expect(throws: HostBookError.closed(blocks[0])) { try book.bind(SessionNetworkID(unchecked: 1)) }
        #expect(throws: HostBookError.inUse(blocks[0], count: 1)) { try book.remove(blocks[0]) }
        #expect(throws: HostBookError.overlaps(SNIBlock(aligned: 0, order: 3))) {
            try book.add(SNIBlock(aligned: 0, order: 3), of: Self.application, isStaged: true)
        }
        #expect(book.emptyBlocks(of: Self.application).isEmpty)
    }
}
