import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// The standard path: a range that somebody asked for.
@Suite struct AllocateRangeTests {
    private static func fleet(pool: Int = 256, hosts: Int = 2) throws -> Fleet {
        var configuration = Fleet.seconds
        configuration.pool = [SNIRange(unchecked: 4096, count: pool)]
        configuration.chunkSize = 256
        let fleet = try Fleet(configuration, hosts: hosts)
        fleet.start()
        return fleet
    }

    private static func ask(
        _ application: String, _ count: Int, confidence: Double = 0, key: String = "", lifetime: Duration? = nil
    ) -> Command {
        .allocateRange(application, count: count, confidence: confidence, idempotencyKey: key, lifetime: lifetime)
    }

    private func grant(_ fleet: Fleet, _ command: Command) throws -> RangeGrant {
        guard case .range(let grant) = try fleet.command(command).get() else { throw CoordinatorError.notReady }
        return grant
    }

    /// Every identifier that is owned is claimed by a reservation that ends, or leased.
    private func everythingEnds(_ fleet: Fleet) throws {
        let book = fleet.machine.state.book
        let claims = try fleet.machine.reservations(at: fleet.now)
        #expect(claims.allSatisfy { $0.expiresIn > .zero })
        for id in book.applications {
            for range in book.ranges(of: id) {
                for sni in range.identifiers {
                    #expect(book.owner(of: sni) == id)
                    let isClaimed = claims.contains { $0.range.contains(SNIRange(unchecked: sni.rawValue, count: 1)) }
                    #expect(isClaimed || book.lease(around: sni) != nil, "\(sni) is owned for ever")
                }
            }
        }
    }

    @Test func everyRangeHasAnOwnerAndAnEnd() throws {
        let fleet = try Self.fleet()
        let app = try fleet.application("web")
        let given = try grant(fleet, Self.ask("web", 20))
        #expect(given.granted == 32 && given.reservation.application == app && !given.reservation.predicted)
        #expect(given.reservation.expiresIn == .seconds(500))
        let sure = try grant(fleet, Self.ask("web", 16, confidence: 0.06))
        #expect(sure.reservation.predicted && sure.reservation.expiresIn == .seconds(5000))
        let asked = try grant(fleet, Self.ask("web", 4, lifetime: .seconds(50)))
        #expect(asked.reservation.expiresIn == .seconds(50))
        _ = fleet.lease(app, on: fleet.names[0], request: 1)
        try everythingEnds(fleet)
        fleet.pass(.seconds(50))
        #expect(fleet.machine.state.book.reservation(asked.reservation.id) == nil)
        try everythingEnds(fleet)
        fleet.pass(.seconds(450))
        #expect(fleet.machine.state.book.reservation(given.reservation.id) == nil)
        try everythingEnds(fleet)
    }

    @Test(
        arguments: [
            ask("web", 0), ask("web", -1), ask("web", 1 << 30), ask("web", 4, confidence: 1.5),
            ask("web", 4, confidence: -0.1), ask("web", 4, confidence: .nan), ask("web", 4, lifetime: .zero),
            ask("web", 4, lifetime: .seconds(-1)), ask("web", 4, lifetime: .seconds(400 * 86_400)),
            ask("web", 4, key: String(repeating: "k", count: 129)), ask("nobody", 4), ask("gone", 4),
            ask("capped", 64),
        ])
    func refusalsChangeNothing(command: Command) throws {
        let fleet = try Self.fleet()
        _ = try fleet.application("web")
        let gone = try fleet.application("gone")
        _ = fleet.lease(gone, on: fleet.names[0], request: 1)
        _ = try fleet.command(.deleteApplication("gone")).get()
        _ = try fleet.application("capped", ApplicationPolicy(cap: 16))
        _ = try grant(fleet, Self.ask("capped", 16))
        let (book, events) = (fleet.machine.state.book, fleet.log.count)
        #expect(throws: CoordinatorError.self) { try fleet.command(command).get() }
        #expect(fleet.machine.state.book == book && fleet.log.count == events)
    }

    /// A key stands for its first answer, whatever is asked with it later, also from another process.
    @Test(arguments: [false, true]) func aKeyStandsForItsFirstAnswer(fromSnapshot: Bool) throws {
        let fleet = try Self.fleet()
        _ = try fleet.application("web")
        _ = try fleet.application("shop")
        let first = try grant(fleet, Self.ask("web", 32, key: "k"))
        let events = fleet.log.count
        #expect(try grant(fleet, Self.ask("web", 32, key: "k")) == first)
        #expect(try grant(fleet, Self.ask("web", 4, confidence: 1, key: "k", lifetime: .seconds(9))) == first)
        #expect(fleet.log.count == events)
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(try grant(fleet, Self.ask("web", 32, key: "k")) == first)
        // Keys are an application's own.
        let others = try grant(fleet, Self.ask("shop", 32, key: "k"))
        #expect(!others.range.overlaps(first.range))
    }

    /// The answer of a key whose reservation has ended says that it has, and is nobody's claim: what it was is free, or
    /// somebody else's by then.
    @Test func aKeyWhoseReservationHasEnded() throws {
        let fleet = try Self.fleet(pool: 64)
        _ = try fleet.application("web")
        _ = try fleet.application("shop")
        let first = try grant(fleet, Self.ask("web", 64, key: "k", lifetime: .seconds(5)))
        fleet.pass(.seconds(5))
        #expect(fleet.machine.state.book.free == 64)
        let taken = try grant(fleet, Self.ask("shop", 64))
        #expect(taken.range == first.range)
        let (book, events) = (fleet.machine.state.book, fleet.log.count)
        let late = try grant(fleet, Self.ask("web", 64, key: "k", lifetime: .seconds(5)))
        #expect(late.reservation.id == first.reservation.id && late.reservation.expiresIn == .zero)
        #expect(fleet.machine.state.book == book && fleet.log.count == events)
        // A refusal is no answer: the key is as good as new.
        #expect(throws: CoordinatorError.self) { try fleet.command(Self.ask("web", 16, key: "n")).get() }
        _ = try fleet.command(.releaseReservation(taken.reservation.id, reason: "done")).get()
        #expect(try grant(fleet, Self.ask("web", 16, key: "n")).granted == 16)
    }

    // MARK: Priority

    /// A higher class gets what a lower one only reserved, at once; a lower class gets nothing of anybody's.
    @Test func aHigherClassTakesWhatIsOnlyReserved() throws {
        let fleet = try Self.fleet(pool: 64)
        let low = try fleet.application("low", ApplicationPolicy(priority: .batch, floor: 16))
        _ = try fleet.application("high", ApplicationPolicy(priority: .critical))
        _ = try fleet.application("same", ApplicationPolicy(priority: .batch))
        _ = try grant(fleet, Self.ask("low", 64))
        let block = try #require(fleet.lease(low, on: fleet.names[0], request: 1))
        try fleet.bind(block.first, of: low, on: fleet.names[0], state: .bound)
        fleet.quiesce()
        let before = fleet.machine.state.book
        #expect(throws: CoordinatorError.self) { try fleet.command(Self.ask("same", 16)).get() }
        #expect(fleet.machine.state.book == before)
        let given = try grant(fleet, Self.ask("high", 16, key: "k"))
        #expect(given.granted == 16 && !given.range.overlaps(block.range))
        #expect(fleet.machine.state.book.owned(by: low) == 48)
        #expect(try grant(fleet, Self.ask("high", 16)).granted == 16)
        #expect(try grant(fleet, Self.ask("high", 16)).granted == 16)
        // What is left is bound, and a floor.
        guard case .failure(.exhausted(wanted: 16, _)) = fleet.command(Self.ask("high", 16)) else {
            Issue.record("something was left to take")
            return
        }
        #expect(fleet.lease(of: block)?.state == .staged)
        #expect(try grant(fleet, Self.ask("high", 16, key: "k")).range == given.range)
    }
}
