import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct HostBookTests {
    static let application = ApplicationID(UUID128(high: 1, low: 1))

    /// One record per identifier, and the order in which they became available, per block.
    struct Model {
        var uses: [UInt32: IdentifierUse] = [:]
        var queues: [SNIBlock: [UInt32]] = [:]
        var cooling: [(sni: UInt32, until: Int64)] = []

        func home(of sni: SessionNetworkID) throws -> SNIBlock {
            guard let home = queues.keys.first(where: { $0.contains(sni) }) else {
                throw PropertyViolation("\(sni) is outside every block")
            }
            return home
        }
    }

    @Test func agreesWithOneRecordPerIdentifier() throws {
        try property("host book", iterations: 20) { generator in
            var book = HostBook()
            var model = Model()
            for step in 0..<500 {
                if generator.chance(0.3) {
                    try changeBlocks(&book, &model, &generator)
                } else if generator.chance(0.5) {
                    try bindNext(&book, &model)
                } else {
                    try changeOne(&book, &model, step, &generator)
                }
                try warmUp(&book, &model, step)
                try compare(book, model.uses, model.queues)
            }
        }
    }

    private func changeBlocks(
        _ book: inout HostBook, _ model: inout Model, _ generator: inout SeededGenerator
    ) throws {
        let sni = SessionNetworkID(unchecked: UInt32(generator.integer(in: 0...127)))
        if let home = try? model.home(of: sni), generator.chance(0.5) {
            let isIdle = home.identifiers.allSatisfy { model.uses[$0.rawValue] == .available }
            try hold(((try? book.remove(home)) != nil) == isIdle, "remove \(home)")
            guard isIdle else { return }
            for sni in home.identifiers { model.uses[sni.rawValue] = nil }
            model.queues[home] = nil
        } else {
            let order = generator.pick(from: [0, 2, 4]) ?? 2
            let block = SNIBlock(aligned: sni.rawValue & ~(1 << UInt32(order) - 1), order: order)
            let isFree = block.identifiers.allSatisfy { model.uses[$0.rawValue] == nil }
            let added = (try? book.add(block, of: Self.application, isStaged: generator.chance(0.5))) != nil
            try hold(added == isFree, "add \(block)")
            guard added else { return }
            for sni in block.identifiers { model.uses[sni.rawValue] = .available }
            model.queues[block] = block.identifiers.map(\.rawValue)
        }
    }

    private func bindNext(_ book: inout HostBook, _ model: inout Model) throws {
        let got = book.bind(for: Self.application)
        try hold((got != nil) == model.queues.values.contains { !$0.isEmpty }, "bind")
        guard let got else { return }
        let home = try model.home(of: got)
        try hold(model.queues[home]?.first == got.rawValue, "\(got) is not unused for longest")
        model.queues[home]?.removeFirst()
        model.uses[got.rawValue] = .bound
    }

    private func changeOne(
        _ book: inout HostBook, _ model: inout Model, _ step: Int, _ generator: inout SeededGenerator
    ) throws {
        let sni = SessionNetworkID(unchecked: UInt32(generator.integer(in: 0...127)))
        let use = model.uses[sni.rawValue]
        switch generator.integer(in: 0...2) {
        case 0:
            try hold(((try? book.hold(sni)) != nil) == (use == .bound), "hold \(sni)")
            if use == .bound { model.uses[sni.rawValue] = .held }
        case 1:
            try hold(((try? book.resume(sni)) != nil) == (use == .held), "resume \(sni)")
            if use == .held { model.uses[sni.rawValue] = .bound }
        default:
            let isTaken = use == .bound || use == .held
            let until = Int64(step + 20)
            let unbound = (try? book.unbind(sni, until: Instant(nanoseconds: until))) != nil
            try hold(unbound == isTaken, "unbind \(sni)")
            guard isTaken else { return }
            model.uses[sni.rawValue] = .cooling
            model.cooling.append((sni.rawValue, until))
        }
    }

    private func warmUp(_ book: inout HostBook, _ model: inout Model, _ step: Int) throws {
        let warm = book.warmUp(at: Instant(nanoseconds: Int64(step)))
        let due = model.cooling.prefix { $0.until <= Int64(step) }.map(\.sni)
        try hold(warm.map(\.rawValue) == due, "end of cooldowns")
        model.cooling.removeFirst(due.count)
        for sni in due {
            model.uses[sni] = .available
            model.queues[try model.home(of: SessionNetworkID(unchecked: sni))]?.append(sni)
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
