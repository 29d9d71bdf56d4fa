import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

/// Who comes first for what is free.
@Suite struct WaitingLineTests {
    private struct Waiting {
        var application: ApplicationID
        var identifiers: Int
        var rank: ClassRank
        var until: Int64
    }

    private static func id(_ number: Int) -> ApplicationID { ApplicationID(UUID128(high: 0, low: UInt64(number))) }
    private static func at(_ time: Int64) -> Instant { Instant(nanoseconds: time) }

    /// Against a list that is walked from its start.
    @Test func agreesWithAPlainList() throws {
        try property("waiting line", iterations: 60) { generator in
            var line = WaitingLine()
            var list: [Waiting] = []
            for time in Int64(0)..<400 {
                let application = Self.id(generator.integer(in: 0...40))
                let place = list.firstIndex { $0.application == application }
                switch generator.integer(in: 0...9) {
                case 0...4:
                    let wanted = generator.integer(in: 1...64)
                    let rank = ClassRank(rawValue: UInt8(generator.integer(in: 0...2)))
                    let until = time + Int64(generator.integer(in: 1...200))
                    line.join(application, identifiers: wanted, rank: rank, until: Self.at(until))
                    let next = Waiting(application: application, identifiers: wanted, rank: rank, until: until)
                    if let place, list[place].rank == rank {
                        list[place] = next
                    } else {
                        if let place { list.remove(at: place) }
                        list.append(next)
                    }
                case 5, 6:
                    let given = generator.integer(in: 1...64)
                    line.serve(application, identifiers: given)
                    guard let place else { break }
                    var rest = list.remove(at: place)
                    rest.identifiers -= given
                    if rest.identifiers > 0 { list.append(rest) }
                case 7:
                    line.leave(application)
                    if let place { list.remove(at: place) }
                case 8:
                    line.forget(until: Self.at(time))
                    list.removeAll { $0.until <= time }
                default: break
                }
                try Self.agree(line, list, asked: Self.id(generator.integer(in: 0...45)))
            }
            for entry in list { line.leave(entry.application) }
            try hold(line.isEmpty && line.ahead(of: Self.id(99), rank: .lowest) == 0, "something is left")
        }
    }

    private static func agree(_ line: WaitingLine, _ list: [Waiting], asked: ApplicationID) throws {
        for rank in (UInt8(0)...2).map(ClassRank.init(rawValue:)) {
            if let own = list.first(where: { $0.application == asked }), own.rank != rank { continue }
            let higher = list.filter { $0.rank > rank }
            let equals = list.filter { $0.rank == rank }.prefix { $0.application != asked }
            let expected = (higher + equals.prefix(WaitingLine.looksMax)).reduce(0) { $0 + $1.identifiers }
            let told = line.ahead(of: asked, rank: rank)
            try hold(told == expected, "\(told) are ahead, not \(expected)")
        }
    }

    // MARK: In the book

    private func book(_ quotas: [(Int, floor: Int, rank: UInt8)]) throws -> Book {
        var book = Book(
            plan: try PoolPlan(
                chunkOrder: 8, pool: [SNIRange(unchecked: 4096, count: 256)], excluded: [],
                key: ShuffleKey(high: 1, low: 2)))
        for (number, floor, rank) in quotas {
            let events = try book.setQuota(
                Self.id(number), cap: 0, floor: floor, rank: ClassRank(rawValue: rank))
            for event in events { book.apply(event) }
        }
        return book
    }

    private func reserve(_ count: Int, for number: Int, in book: inout Book, id: UInt64) throws -> SNIBlock? {
        let id = ReservationID(UUID128(high: 5, low: id))
        let events = try book.reserve(
            id: id, application: Self.id(number), count: count, blockOrder: 2, predicted: false,
            lifetime: .seconds(60), reason: "test")
        for event in events { book.apply(event) }
        return book.reservation(id)?.block
    }

    @Test func whatHigherClassesWaitForIsLeftToThem() throws {
        var book = try book([(1, 0, 0), (2, 0, 2), (3, 16, 0)])
        _ = try reserve(128, for: 1, in: &book, id: 1)
        book.queue(Self.id(2), for: 104, until: Self.at(9))
        #expect(book.awaitedAhead(of: Self.id(1)) == 104 && book.headroom(of: Self.id(1)) == 8)
        #expect(try reserve(64, for: 1, in: &book, id: 2)?.size == 8)
        #expect(throws: BookError.awaited(wanted: 4, ahead: 104)) { try reserve(4, for: 1, in: &book, id: 3) }
        // What a floor owes comes before classes, and no more of it than that.
        #expect(book.headroom(of: Self.id(3)) == 16)
        #expect(try reserve(64, for: 3, in: &book, id: 4)?.size == 16)
        #expect(throws: BookError.awaited(wanted: 4, ahead: 104)) { try reserve(4, for: 3, in: &book, id: 5) }
        #expect(try reserve(64, for: 2, in: &book, id: 6)?.size == 64)
        book.serve(Self.id(2), identifiers: 64)
        #expect(book.awaitedAhead(of: Self.id(1)) == 40)
        book.forgetWaiting(until: Self.at(9))
        #expect(try reserve(4, for: 1, in: &book, id: 7)?.size == 4)
    }

    @Test func nobodyWaitsForMoreThanItsCap() throws {
        var book = try book([(1, 0, 0)])
        for event in try book.setQuota(Self.id(2), cap: 32, floor: 0, rank: ClassRank(rawValue: 1)) {
            book.apply(event)
        }
        book.queue(Self.id(2), for: 1000, until: Self.at(9))
        #expect(book.awaitedAhead(of: Self.id(1)) == 32)
        _ = try reserve(32, for: 2, in: &book, id: 1)
        book.queue(Self.id(2), for: 1000, until: Self.at(9))
        #expect(book.awaitedAhead(of: Self.id(1)) == 0)
    }

    /// It is of the process, and not of the book.
    @Test func aBookThatWaitsIsTheSameBook() throws {
        var book = try book([(1, 0, 0)])
        let before = book
        book.queue(Self.id(1), for: 16, until: Self.at(9))
        #expect(book == before)
    }
}
