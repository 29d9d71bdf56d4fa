import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct HostBookTests {
    static let applications = (1...2).map { ApplicationID(UUID128(high: 1, low: UInt64($0))) }

    /// One record per block, in no order; what comes next is looked for everywhere.
    struct Model {
        struct Record {
            var application: ApplicationID
            var rank: HostBook.Rank?
            var lastUses: [SessionNetworkID: UInt64]
        }
        var blocks: [SNIBlock: Record] = [:]

        func pick(for application: ApplicationID) -> SessionNetworkID? {
            let candidates = blocks.compactMap { block, record in
                record.rank.map { (rank: $0.rawValue, count: record.lastUses.count, block: block) }
            }
            let open = candidates.filter { blocks[$0.block]?.application == application && $0.count > 0 }
            let best = open.min { $0 < $1 }.flatMap { blocks[$0.block] }
            return best?.lastUses.min { ($0.value, $0.key) < ($1.value, $1.key) }?.key
        }

        func isOffered(_ sni: SessionNetworkID) -> Bool { blocks.values.contains { $0.lastUses[sni] != nil } }

        mutating func take(_ sni: SessionNetworkID) {
            for block in blocks.keys { blocks[block]?.lastUses[sni] = nil }
        }
    }

    @Test func agreesWithOneRecordPerBlock() throws {
        try property("host book", iterations: 30) { generator in
            var book = HostBook()
            var model = Model()
            for step in 0..<400 {
                if generator.chance(0.3) {
                    changeBlocks(&book, &model, &generator)
                } else {
                    try changeOne(&book, &model, step, &generator)
                }
                try compare(book, model)
            }
        }
    }

    /// Also blocks inside of others, which only a coordinator that errs would lease.
    private func changeBlocks(_ book: inout HostBook, _ model: inout Model, _ generator: inout SeededGenerator) {
        let order = generator.pick(from: [0, 2, 2, 4]) ?? 2
        let sni = UInt32(generator.integer(in: 0...127))
        let block = SNIBlock(aligned: sni & ~(1 << UInt32(order) - 1), order: order)
        let rank = generator.chance(0.8) ? generator.pick(from: HostBook.Rank.allCases) : nil
        switch generator.integer(in: 0...2) {
        case 0:
            book.remove(block)
            model.blocks[block] = nil
        case 1:
            book.setRank(block, rank)
            model.blocks[block]?.rank = rank
        default:
            let application = generator.pick(from: Self.applications) ?? Self.applications[0]
            var lastUses: [SessionNetworkID: UInt64] = [:]
            for sni in block.identifiers where generator.chance(0.8) {
                lastUses[sni] = UInt64(generator.integer(in: 0...3))
            }
            book.put(block, of: application, rank: rank) { lastUses[$0] }
            model.blocks[block] = .init(application: application, rank: rank, lastUses: lastUses)
        }
    }

    private func changeOne(
        _ book: inout HostBook, _ model: inout Model, _ step: Int, _ generator: inout SeededGenerator
    ) throws {
        let sni = SessionNetworkID(unchecked: UInt32(generator.integer(in: 0...127)))
        switch generator.integer(in: 0...3) {
        case 0:
            let application = generator.pick(from: Self.applications) ?? Self.applications[0]
            let expected = model.pick(for: application)
            let got = book.take(for: application)
            try hold(got == expected, "took \(got as Any), not \(expected as Any)")
            if let got { model.take(got) }
        case 1:
            book.take(sni)
            model.take(sni)
        default:
            // Mostly the newest; sometimes as old as others.
            let lastUse = generator.chance(0.8) ? UInt64(step) : UInt64(generator.integer(in: 0...step))
            book.offer(sni, lastUse: lastUse)
            for block in model.blocks.keys where block.contains(sni) { model.blocks[block]?.lastUses[sni] = lastUse }
        }
    }

    private func compare(_ book: HostBook, _ model: Model) throws {
        for application in Self.applications {
            let (got, expected) = (book.pick(for: application), model.pick(for: application))
            try hold(got == expected, "picks \(got as Any), not \(expected as Any)")
        }
        for number in 0..<UInt32(128) {
            let sni = SessionNetworkID(unchecked: number)
            try hold(book.isOffered(sni) == model.isOffered(sni), "whether \(sni) is on offer")
        }
        try hold(book.blockCount == model.blocks.count, "blocks")
        for (block, record) in model.blocks {
            try hold(book.offered(in: block) == record.lastUses.count, "on offer in \(block)")
            try hold(book.application(of: block) == record.application, "application of \(block)")
        }
    }

    @Test func stagedGoesBeforeLeasedAndFullBeforeEmpty() throws {
        let application = Self.applications[0]
        var book = HostBook()
        let blocks = (0..<4).map { SNIBlock(aligned: UInt32($0) * 4, order: 2) }
        book.put(blocks[0], of: application, rank: .leased) { _ in 0 }
        #expect(book.pick(for: application) == blocks[0].first)
        book.put(blocks[3], of: application, rank: .marked) { _ in 0 }
        book.put(blocks[2], of: application, rank: .staged) { _ in 0 }
        book.put(blocks[1], of: application, rank: .staged) { _ in 0 }
        book.take(blocks[2].first)
        #expect((0..<3).map { _ in book.take(for: application)?.rawValue } == [9, 10, 11])
        #expect((0..<4).map { _ in book.take(for: application)?.rawValue } == [4, 5, 6, 7])
        #expect((0..<4).map { _ in book.take(for: application)?.rawValue } == [0, 1, 2, 3])
        #expect(book.pick(for: application) == blocks[3].first)
        book.setRank(blocks[3], nil)
        #expect(book.take(for: application) == nil)
        #expect(book.offered(in: blocks[3]) == 4)
        book.offer(SessionNetworkID(unchecked: 6), lastUse: 1)
        #expect(book.pick(for: application)?.rawValue == 6)
    }

    /// Restored from a journal, identifiers come in the order of their last use, whatever order they are named in.
    @Test func theLongestUnusedGoesFirst() {
        let application = Self.applications[0]
        var book = HostBook()
        let lastUses: [UInt32: UInt64] = [0: 7, 1: 0, 3: 3, 4: 0, 5: 9, 6: 7]
        book.put(SNIBlock(aligned: 0, order: 3), of: application, rank: .staged) { lastUses[$0.rawValue] }
        book.offer(SessionNetworkID(unchecked: 2), lastUse: 4)
        #expect((0..<8).map { _ in book.take(for: application)?.rawValue } == [1, 4, 3, 2, 0, 6, 5, nil])
    }
}
