import Foundation
import NetworkTypes
import SimulationKit
import Testing

@testable import SNISpace

@Suite struct BookPropertyTests {
    static let pool = [SNIRange(unchecked: 100, count: 900), SNIRange(unchecked: 4096, count: 600)]
    static let excluded = [SNIRange(unchecked: 700, count: 37), SNIRange(unchecked: 4200, count: 3)]

    static func makeBook(_ generator: inout SeededGenerator) throws -> Book {
        Book(
            plan: try PoolPlan(
                chunkOrder: 8, pool: pool, excluded: excluded,
                key: ShuffleKey(high: generator.next(), low: generator.next())))
    }

    /// Random commands, most of them sensible; some of them wrong on purpose.
    static func step(_ book: Book, _ generator: inout SeededGenerator) throws -> [BookEvent] {
        let applications = (1...3).map { ApplicationID(UUID128(high: 0xA, low: UInt64($0))) }
        let hosts = ["a", "b", "c"].compactMap { HostID($0) }
        guard let application = generator.pick(from: applications), let host = generator.pick(from: hosts) else {
            return []
        }
        let leases = book.allLeases
        let lease = generator.pick(from: leases + book.allSubleases)
        switch generator.integer(in: 0...18) {
        case 0, 1, 2:
            return try book.reserve(
                id: ReservationID(.random(using: &generator)), application: application,
                count: generator.integer(in: 0...300), blockOrder: generator.integer(in: 1...6), predicted: false,
                lifetime: .seconds(generator.integer(in: 0...50)), reason: "test",
                idempotencyKey: generator.chance(0.2) ? "key \(generator.integer(in: 0...5))" : "")
        case 3, 4, 5:
            return try book.lease(
                application: application, host: host, order: generator.integer(in: 1...6), predicted: false,
                fromReserved: true)
        case 6:
            guard let id = generator.pick(from: book.reservations())?.id else { return [] }
            return try book.end(id, reason: "test")
        case 7:
            guard let idle = generator.pick(from: book.idleBlocks(of: application)) else { return [] }
            let size = max(1, idle.size >> generator.integer(in: 0...2))
            let part = SNIBlock(first: SessionNetworkID(unchecked: idle.last.rawValue + 1 - UInt32(size)), size: size)
            return try book.unreserve(try #require(part), of: application)
        case 8:
            let cap = generator.integer(in: 0...400)
            return try book.setQuota(
                application, cap: cap, floor: generator.integer(in: 0...80),
                rank: ClassRank(rawValue: UInt8(generator.integer(in: 0...2))))
        case 9: return try lease.map { try book.stage($0.block) } ?? []
        case 10: return try lease.map { try book.mark($0.block, reason: "test", force: generator.chance(0.1)) } ?? []
        case 11:
            guard let lease else { return [] }
            let epoch = generator.chance(0.1) ? Epoch(1) : lease.epoch
            return try generator.chance(0.3)
                ? book.abort(lease.block, epoch: epoch) : book.drain(lease.block, epoch: epoch)
        case 12: return try lease.map { try book.remove($0.block) } ?? []
        case 13:
            guard let lease, generator.chance(0.5) else { return [] }
            return try book.fence(lease.block, reason: "test")
        case 14:
            guard let lease, let sni = generator.pick(from: lease.block.identifiers) else { return [] }
            return try book.sublease(sni, to: host)
        case 15: return try exclusion(book, &generator)
        case 16:
            guard let chunk = generator.pick(from: book.openChunks)?.chunk else { return [] }
            return try book.temper(chunk: chunk, isHot: generator.chance(0.5))
        default: return try lease.map { try book.free($0.block) } ?? []
        }
    }

    /// A range or two out of the pool, or back.
    static func exclusion(_ book: Book, _ generator: inout SeededGenerator) throws -> [BookEvent] {
        let first = UInt32(generator.integer(in: 90...1010))
        let range = SNIRange(unchecked: first, count: generator.integer(in: 1...70))
        guard generator.chance(0.6) else {
            let whole = generator.pick(from: book.excluding)
            return try book.include([generator.chance(0.5) ? whole ?? range : range])
        }
        let other = SNIRange(unchecked: first + 3000, count: generator.integer(in: 1...70))
        return try book.exclude(generator.chance(0.5) ? [range] : [range, other])
    }

    @Test func bookAgreesWithOneRecordPerIdentifier() throws {
        try property("book against a naive model", iterations: 12) { generator in
            var book = try Self.makeBook(&generator)
            var replica = book
            var model = NaiveModel(pool: Self.pool, excluded: Self.excluded, chunkSize: 256)
            var log: [BookEvent] = []
            for number in 0..<200 {
                let before = book
                let events: [BookEvent]
                do { events = try Self.step(book, &generator) } catch is BookError {
                    try hold(book == before, "a refused command changed the book")
                    continue
                }
                for event in events {
                    book.apply(event)
                    try model.apply(event)
                }
                log += events
                try quotasHold(book)
                if number % 25 == 0 { try audit(book) }
                if number % 50 == 0 { try model.compare(with: book) }
                if number % 50 == 0 { try NaiveModel.comparePages(of: book, limit: generator.integer(in: 1...9)) }
            }
            try model.compare(with: book)
            for event in log { replica.apply(event) }
            try hold(replica == book, "replaying the events leads elsewhere")
        }
    }

    /// Bounds may be lowered below what is owned; nothing may then be added.
    private func quotasHold(_ book: Book) throws {
        for application in book.applications {
            let quota = book.quota(of: application)
            let owned = book.owned(by: application)
            if quota.cap > 0, owned >= quota.cap { try hold(book.headroom(of: application) == 0, "room above the cap") }
        }
        try hold(book.floorDebt <= book.grantable, "floors promise \(book.floorDebt) of \(book.grantable)")
    }

    /// Whatever is excluded, freed and granted to others: the floors of all are there when they are asked for.
    @Test func floorsCanBeClaimedInFull() throws {
        var claimed = 0
        try property("floors", iterations: 40) { generator in
            var book = try Self.makeBook(&generator)
            for _ in 0..<60 { for event in (try? Self.step(book, &generator)) ?? [] { book.apply(event) } }
            // No caps, which would stand in the way; and as much as can be promised.
            for application in book.applications {
                let floor = book.owned(by: application) + generator.integer(in: 0...200)
                let events = (try? book.setQuota(application, cap: 0, floor: floor)) ?? []
                for event in events { book.apply(event) }
            }
            for _ in 0..<generator.integer(in: 20...200) {
                let events = (try? Self.step(book, &generator)) ?? []
                for event in events where !event.isQuota { book.apply(event) }
            }
            for application in book.applications.shuffled(using: &generator) {
                while let account = book.accounts[application], account.floorDebt > 0 {
                    let events = try book.reserve(
                        id: ReservationID(.random(using: &generator)), application: application,
                        count: account.floorDebt, blockOrder: 2, predicted: false, lifetime: .seconds(9),
                        reason: "floor")
                    for event in events { book.apply(event) }
                    claimed += 1
                }
            }
            try audit(book)
        }
        #expect(claimed > 50)
    }

    @Test func snapshotAndEventsSurviveTheirEncoding() throws {
        try property("snapshot", iterations: 8) { generator in
            var book = try Self.makeBook(&generator)
            for _ in 0..<200 {
                for event in (try? Self.step(book, &generator)) ?? [] {
                    let stored = try JSONEncoder().encode(event)
                    book.apply(try JSONDecoder().decode(BookEvent.self, from: stored))
                }
            }
            let stored = try JSONEncoder().encode(book.snapshot)
            let restored = try Book(restoring: JSONDecoder().decode(BookSnapshot.self, from: stored))
            try hold(restored.snapshot == book.snapshot, "snapshot of the restored book differs")
            try hold(restored == book, "restored book differs")
            try audit(restored)
            try decidesAlike(book, restored, &generator)
        }
    }

    /// The same commands lead to the same events: places and order do not depend on the way to the content.
    private func decidesAlike(_ book: Book, _ other: Book, _ generator: inout SeededGenerator) throws {
        var (book, other) = (book, other)
        var twin = generator
        for _ in 0..<60 {
            let mine = Result { try Self.step(book, &generator) }
            let its = Result { try Self.step(other, &twin) }
            let events = try? mine.get()
            try hold(events == (try? its.get()), "the restored book decides otherwise")
            for event in events ?? [] {
                book.apply(event)
                other.apply(event)
            }
        }
        try hold(book == other, "the restored book went elsewhere")
    }

    @Test func bytesHoldTheWholeBook() throws {
        try property("codec", iterations: 6) { generator in
            var book = try Self.makeBook(&generator)
            var replica = book
            var log = EventLog.header
            var sequence: UInt64 = 6
            for _ in 0..<200 {
                for event in (try? Self.step(book, &generator)) ?? [] {
                    book.apply(event)
                    sequence += 1
                    log += EventLog.record(event, sequence: sequence)
                }
            }
            let last = try EventLog.replay(log, after: 6) { replica.apply($0) }
            try hold(last == sequence && replica == book, "the log leads elsewhere")
            let bytes = book.snapshot.encoded()
            try hold(try BookSnapshot(decoding: bytes) == book.snapshot, "the bytes hold another snapshot")
            try audit(try Book(restoring: BookSnapshot(decoding: bytes)))
            for _ in 0..<60 {
                var bad = bytes
                let place = generator.integer(in: 0...bytes.count - 1)
                bad[place] ^= UInt8(generator.integer(in: 1...255))
                try hold((try? BookSnapshot(decoding: bad)) == nil, "byte \(place) may be anything")
                try hold((try? BookSnapshot(decoding: Array(bytes.prefix(place)))) == nil, "cut at \(place) is read")
            }
        }
    }

    /// Calls that no state allows: the book stays as it is, byte for byte.
    @Test func badCallsLeaveTheBookEqual() throws {
        try property("bad calls", iterations: 20) { generator in
            var book = try Self.makeBook(&generator)
            for _ in 0..<100 { for event in (try? Self.step(book, &generator)) ?? [] { book.apply(event) } }
            let before = book.snapshot.encoded()
            for _ in 0..<40 {
                let refusal = Result { try Self.badCall(book, &generator) }
                guard case .failure(let error) = refusal else { throw PropertyViolation("\(refusal) is accepted") }
                try hold(error is BookError, "\(error) is no error of the book")
            }
            try hold(book.snapshot.encoded() == before, "a refused call changed the book")
        }
    }

    private static func badCall(_ book: Book, _ generator: inout SeededGenerator) throws -> [BookEvent] {
        let stranger = ReservationID(UUID128(high: 9, low: 9))
        let application = ApplicationID(UUID128(high: 0xA, low: 1))
        let nobody = SNIBlock(aligned: 0x70_0000, order: generator.integer(in: 0...12))
        let lease = generator.pick(from: book.allLeases)
        let host = try #require(HostID("a"))
        func reserve(_ count: Int, _ order: Int = 4, lifetime: Duration = .seconds(9)) throws -> [BookEvent] {
            try book.reserve(
                id: stranger, application: application, count: count, blockOrder: order, predicted: false,
                lifetime: lifetime, reason: "bad")
        }
        switch generator.integer(in: 0...16) {
        case 0: return try reserve(generator.pick(from: [0, -1, .min, .max, (1 << 24) + 1]) ?? 0)
        case 1: return try reserve(4, generator.pick(from: [-1, 0, 1, 9, .max]) ?? 0)
        case 2: return try book.end(stranger, reason: "bad")
        case 3: return try book.extend(stranger, lifetime: .seconds(1))
        case 4: return try book.unreserve(nobody, of: application)
        case 5: return try book.mark(nobody, reason: "bad", force: true)
        case 6: return try book.free(nobody)
        case 7:
            // An epoch from the past, or from the future.
            guard let lease else { return try book.remove(nobody) }
            let off: UInt64 = generator.chance(0.5) ? lease.epoch.rawValue + 1 : lease.epoch.rawValue - 1
            return try book.drain(lease.block, epoch: Epoch(off))
        case 8: return try book.sublease(nobody.first, to: host)
        case 9: return try book.exclude([SNIRange(unchecked: 0x80_0000, count: 1 << generator.integer(in: 0...20))])
        case 10: return try book.include([SNIRange(unchecked: 0x80_0000, count: 4)])
        case 11:
            return try book.setQuota(application, cap: generator.pick(from: [-1, .max, .min]) ?? -1, floor: 0)
        case 12:
            return try book.setQuota(application, cap: 0, floor: generator.pick(from: [-1, .min, 1 << 24, .max]) ?? -1)
        case 13: return try reserve(16, lifetime: .seconds(generator.pick(from: [0, -1, .max, .min]) ?? 0))
        case 14:
            // An epoch that nothing could rise above.
            return try book.adopt(
                SNIBlock(aligned: 0x100, order: 4), application: application, host: host,
                epoch: Epoch(generator.pick(from: [.max, .max >> 1 + 1]) ?? .max), id: stranger, lifetime: .seconds(9),
                reason: "bad")
        case 15:
            // Two exclusions that overlap each other.
            return try book.exclude([SNIRange(unchecked: 300, count: 9), SNIRange(unchecked: 308, count: 2)])
        default: return try book.temper(chunk: 0, isHot: generator.chance(0.5))
        }
    }

    @Test func everythingComesBack() throws {
        try property("no leak", iterations: 8) { generator in
            var book = try Self.makeBook(&generator)
            let empty = book
            for _ in 0..<200 { for event in (try? Self.step(book, &generator)) ?? [] { book.apply(event) } }
            func run(_ events: [BookEvent]) { for event in events { book.apply(event) } }
            for reservation in book.reservations() { run(try book.end(reservation.id, reason: "end")) }
            run(try book.include(book.excluding))
            for lease in book.allSubleases + book.allLeases {
                if lease.state == .leased || lease.state == .staged {
                    run(try book.mark(lease.block, reason: "end", force: false))
                }
                if let lease = book.lease(of: lease.block), lease.state == .marked {
                    run(try book.drain(lease.block, epoch: lease.epoch))
                }
                if book.lease(of: lease.block)?.state == .draining { run(try book.remove(lease.block)) }
                run(try book.free(lease.block))
            }
            try hold(book.free == book.capacity, "\(book.capacity - book.free) identifiers leaked")
            try audit(book)
            try hold(book.leaseCount == 0 && book.hosts.count == 0 && book.claims.count == 0, "something stayed")
            book.pages.forEach { page in Issue.record("chunk \(page.number) stayed open") }
            try hold(
                (0...6).allSatisfy { book.unopened.chunks(level: $0) == empty.unopened.chunks(level: $0) },
                "closed chunks differ")
        }
    }
}

extension BookEvent {
    fileprivate var isQuota: Bool { if case .quotaSet = self { true } else { false } }
}
