import Foundation
import NetworkTypes
import Testing

@testable import SNISpace

/// One cell of the table in the comment of `Book`.
struct Cell: Sendable, CustomTestStringConvertible {
    var state: IdentifierState
    var verb: BookVerb
    /// Nil for a refusal; `former` cells appear twice, once for each state before the mark.
    var next: IdentifierState?
    var wasStaged = false
    var testDescription: String {
        "\(state.rawValue) \(verb.rawValue) -> \(next?.rawValue ?? "refused")\(wasStaged ? " (was staged)" : "")"
    }

    /// Reads the table out of the source, so that comment and code cannot part.
    static let all: [Cell] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/SNISpace/Book.swift")
        guard let source = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        let rows = source.split(separator: "\n").filter { $0.hasPrefix("/// |") }.map { line in
            line.dropFirst(4).split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        guard let header = rows.first else { return [] }
        let states = header.dropFirst().compactMap(IdentifierState.init(rawValue:))
        var cells: [Cell] = []
        for row in rows.dropFirst(2) {
            guard let verb = row.first.flatMap(BookVerb.init(rawValue:)) else { continue }
            for (state, text) in zip(states, row.dropFirst()) {
                if text == "former" {
                    cells.append(Cell(state: state, verb: verb, next: .leased))
                    cells.append(Cell(state: state, verb: verb, next: .staged, wasStaged: true))
                } else {
                    cells.append(Cell(state: state, verb: verb, next: IdentifierState(rawValue: text)))
                }
            }
        }
        return cells
    }()
}

@Suite struct StateTableTests {
    let application = ApplicationID(UUID128(high: 1, low: 1))
    let host = HostID("host-a")
    let other = HostID("host-b")
    let reservation = ReservationID(UUID128(high: 2, low: 2))

    @Test func theCommentHoldsTheWholeTable() {
        let pairs = Set(Cell.all.map { "\($0.state) \($0.verb)" })
        #expect(pairs.count == IdentifierState.allCases.count * BookVerb.allCases.count)
    }

    @Test(arguments: Cell.all) func bookFollowsTheTable(_ cell: Cell) throws {
        var book = try makeBook()
        let block = try bring(&book, to: cell.state, wasStaged: cell.wasStaged)
        #expect(book.state(of: block.first) == cell.state)
        #expect(cell.state.after(cell.verb, stagedBefore: cell.wasStaged) == cell.next)
        let before = book
        let events = Result { try perform(cell.verb, on: block, in: book) }
        guard let next = cell.next else {
            #expect(throws: BookError.self) { try events.get() }
            #expect(book == before)
            return
        }
        for event in try events.get() { book.apply(event) }
        #expect(book.state(of: block.first) == next)
        #expect(book.state(of: block.last) == next)
    }

    /// Sub-leases take the same table from `leased` on.
    static let subleaseCells = Cell.all.filter {
        ![.free, .reserved].contains($0.state) && ![.reserve, .release, .lease, .sublease].contains($0.verb)
    }

    @Test(arguments: subleaseCells, [IdentifierState.leased, .draining]) func subleaseFollowsTheTable(
        _ cell: Cell, around: IdentifierState
    ) throws {
        var book = try makeBook()
        let block = try bring(&book, to: .leased, wasStaged: false)
        let single = try #require(SNIBlock(first: block.first, size: 1))
        func run(_ verb: BookVerb, on block: SNIBlock) throws {
            for event in try perform(verb, on: block, in: book) { book.apply(event) }
        }
        for event in try book.sublease(single.first, to: try #require(other)) { book.apply(event) }
        if around == .draining { try run(.fence, on: block) }
        for verb in Self.path(to: cell.state, wasStaged: cell.wasStaged) where ![.reserve, .lease].contains(verb) {
            try run(verb, on: single)
        }
        #expect(book.state(of: single.first) == cell.state)
        let before = book
        guard let next = cell.next else {
            #expect(throws: BookError.self) { try perform(cell.verb, on: single, in: book) }
            #expect(book == before)
            return
        }
        try run(cell.verb, on: single)
        #expect(book.state(of: single.first) == (next == .free ? around : next))
        #expect(book.state(of: block.last) == around)
        #expect(book.lease(of: block)?.epoch == before.lease(of: block)?.epoch)
    }

    private func makeBook() throws -> Book {
        Book(
            plan: try PoolPlan(
                chunkOrder: 8, pool: [SNIRange(unchecked: 256, count: 256)], excluded: [],
                key: ShuffleKey(high: 1, low: 2)))
    }

    /// A block of 16 in the wanted state, reached by commands alone.
    private func bring(_ book: inout Book, to state: IdentifierState, wasStaged: Bool) throws -> SNIBlock {
        let block = try #require(SNIBlock(first: SessionNetworkID(unchecked: 256), size: 16))
        for verb in Self.path(to: state, wasStaged: wasStaged) {
            for event in try perform(verb, on: block, in: book) { book.apply(event) }
        }
        return block
    }

    private static func path(to state: IdentifierState, wasStaged: Bool) -> [BookVerb] {
        var path: [BookVerb] = [.reserve, .lease]
        if wasStaged || state == .staged { path.append(.stage) }
        switch state {
        case .free: path = []
        case .reserved: path = [.reserve]
        case .leased, .staged: break
        case .marked: path += [.mark]
        case .draining: path += [.mark, .drain]
        case .quarantined: path += [.mark, .drain, .remove]
        }
        return path
    }

    private func perform(_ verb: BookVerb, on block: SNIBlock, in book: Book) throws -> [BookEvent] {
        let epoch = book.lease(of: block)?.epoch ?? Epoch(0)
        switch verb {
        case .reserve:
            // The pool is one chunk of which everything else is taken, so that only this block can be granted.
            var full = book
            let rest = try rest(of: &full, beside: block)
            let events = try full.reserve(
                id: reservation, application: application, count: 16, blockOrder: 4, predicted: false,
                lifetime: .seconds(60), reason: "test")
            return rest + events
        case .release: return try book.end(reservation, reason: "test")
        case .lease:
            return try book.lease(
                application: application, host: try #require(host), order: 4, predicted: false, fromReserved: true)
        case .stage: return try book.stage(block)
        case .mark: return try book.mark(block, reason: "test", force: false)
        case .abort: return try book.abort(block, epoch: epoch)
        case .drain: return try book.drain(block, epoch: epoch)
        case .remove: return try book.remove(block)
        case .free: return try book.free(block)
        case .fence: return try book.fence(block, reason: "test")
        case .sublease:
            // In the middle, so that first and last still show the state of the block.
            let middle = SessionNetworkID(unchecked: block.first.rawValue + UInt32(block.size / 2))
            return try book.sublease(middle, to: try #require(other))
        }
    }

    /// Another application takes all that is free but `block`.
    private func rest(of book: inout Book, beside block: SNIBlock) throws -> [BookEvent] {
        guard book.state(of: block.first) == .free else { return [] }
        let other = ApplicationID(UUID128(high: 9, low: 9))
        var events: [BookEvent] = []
        for number in 0..<16 {
            let made = try book.reserve(
                id: ReservationID(UUID128(high: 7, low: UInt64(number))), application: other, count: 16, blockOrder: 4,
                predicted: false, lifetime: .seconds(60), reason: "fill")
            events += made
            for event in made { book.apply(event) }
        }
        let mine = book.reservations().first { $0.block == block }
        let given = try book.end(try #require(mine).id, reason: "make room")
        for event in given { book.apply(event) }
        return events + given
    }
}
