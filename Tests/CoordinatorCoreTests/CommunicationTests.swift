import FleetProtocol
import NetworkTypes
import Testing

@testable import CoordinatorCore

@Suite struct CommunicationTests {
    private func group(_ application: UInt64, _ host: String) throws -> VMGroup {
        VMGroup(application: ApplicationID(UUID128(high: 1, low: application)), host: try #require(HostID(host)))
    }

    /// What goes on for long is shown at its rate; what ended halves in a half-life, and is forgotten.
    @Test func fadesAndConverges() throws {
        var book = CommunicationBook()
        let (a, b) = (try group(1, "h1"), try group(1, "h2"))
        for slot in 0..<3000 { book.add(1000, from: a, to: b, at: slot) }
        let rate = try #require(book.all(at: 2999).first).bytesPerSlot
        #expect(abs(rate - 1000) < 20, "\(rate)")
        let later = try #require(book.all(at: 2999 + CommunicationBook.halfLifeSlots).first).bytesPerSlot
        #expect(abs(later / rate - 0.5) < 0.01)
        book.tidy(at: 2999 + 40 * CommunicationBook.halfLifeSlots)
        #expect(book.isEmpty)
    }

    @Test func isBoundedAndKeepsTheBusiest() throws {
        var book = CommunicationBook()
        let source = try group(1, "h1")
        for slot in 0..<200 {
            book.add(1_000_000, from: source, to: try group(2, "busy"), at: slot)
            for number in 0..<20 {
                book.add(1, from: source, to: try group(UInt64(3 + slot * 20 + number), "h2"), at: slot)
            }
        }
        let flows = book.all(at: 200)
        #expect(flows.count == CommunicationBook.destinationsMax)
        #expect(flows.first?.destination == (try group(2, "busy")))
        for number in 0..<70_000 { book.add(5, from: try group(UInt64(number), "h3"), to: source, at: 201) }
        book.tidy(at: 201)
        #expect(book.sources == CommunicationBook.sourcesMax && book.all(at: 201).contains { $0.source == source })
    }

    /// From pairs of identifiers to groups: the destination is who leases it, whoever it was is left out.
    @Test func pairsBecomeGroupsAndAdvice() throws {
        let fleet = try Fleet(hosts: 3)
        fleet.start()
        let (web, db) = (try fleet.application("web"), try fleet.application("db"))
        let (a, b, c) = (fleet.names[0], fleet.names[1], fleet.names[2])
        let mine = try #require(fleet.lease(web, on: a, request: 1))
        let near = try #require(fleet.lease(web, on: b, request: 1))
        let store = try #require(fleet.lease(db, on: c, request: 1))
        let nobody = SessionNetworkID(unchecked: 4096 + 60_000)
        func pair(_ destination: SessionNetworkID, _ bytes: UInt64) -> PeerTraffic {
            PeerTraffic(source: mine.first, destination: destination, bytes: bytes, packets: 1)
        }
        let part = ApplicationAggregate(
            application: web, vms: 1, peakVMs: 1, cooling: 0, launches: 0, stops: 0, misses: 0, waited: .zero,
            traffic: nil,
            peers: PeerTable(
                pairs: [pair(near.first, 500), pair(store.first, 90_000), pair(nobody, 1 << 40)], bytes: 1))
        fleet.say(
            .aggregates(Aggregates(sequence: 1, interval: .seconds(1), endedAt: fleet.now, applications: [part])),
            from: a)
        let told = try fleet.machine.communication(of: "web", limit: 10)
        #expect(
            told.groups.map { [$0.source.host, $0.destination.host] } == [[a, c], [a, b]]
                && told.groups.map(\.destination.application) == [db, web])
        #expect(told.applications.map { [$0.source, $0.destination] } == [[web, db], [web, web]])
        let advice = try #require(told.advice.first)
        #expect(advice.hosts.prefix(2) == [c, a] || advice.hosts.first == c)
        #expect(advice.application == web && advice.neighbours == [db])
        let other = try fleet.machine.communication(of: "db", limit: 10)
        #expect(other.advice.first?.hosts == [a] && other.advice.first?.neighbours == [web] && other.groups.count == 1)
        #expect(throws: CoordinatorError.self) { try fleet.machine.communication(of: "nobody", limit: 1) }
    }
}
