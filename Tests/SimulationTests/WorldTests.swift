import AgentCore
import CoordinatorCore
import Dataplane
import NetworkTypes
import Testing

@testable import FleetSimulation

/// The parts of the world that the invariants are judged by.
@Suite struct WorldTests {
    private static let app = ApplicationID(UUID128(high: 1, low: 1))
    private static let other = ApplicationID(UUID128(high: 1, low: 2))

    private func block(_ first: UInt32, _ size: Int) throws -> SNIBlock {
        try #require(SNIBlock(first: SessionNetworkID(unchecked: first), size: size))
    }

    @Test func eventsComeByTimeThenByOrder() {
        var queue = EventQueue()
        for (subject, at) in [(1, 30), (2, 10), (3, 20), (4, 10), (5, 10)] { queue.put(.poll, subject, at: Int64(at)) }
        var order: [Int32] = []
        while let event = queue.take() { order.append(event.subject) }
        #expect(order == [2, 4, 5, 3, 1])
    }

    @Test func mostSpecificRouteWins() throws {
        var kernel = FakeKernel()
        let wide = RemoteRoute(block: try block(4096, 16), application: Self.app, vtep: .v4(IPv4Address(1)))
        let single = RemoteRoute(block: try block(4098, 1), application: Self.app, vtep: .v4(IPv4Address(2)))
        kernel.remotes = [wide.block: wide, single.block: single]
        #expect(kernel.route(to: 4097)?.vtep == wide.vtep)
        #expect(kernel.route(to: 4098)?.vtep == single.vtep)
        #expect(kernel.route(to: 4112) == nil)
    }

    @Test func filterNeedsBothSidesOfAPolicy() {
        var kernel = FakeKernel()
        let mine = SNIRange(unchecked: 4096, count: 16)
        let theirs = SNIRange(unchecked: 4128, count: 16)
        kernel.scopes[Self.app] = Scope(application: Self.app, ranges: [mine], allowed: [Self.other])
        kernel.scopes[Self.other] = Scope(application: Self.other, ranges: [theirs])
        #expect(kernel.permits(from: 4096, to: 4100))
        #expect(!kernel.permits(from: 4096, to: 4130))
        kernel.scopes[Self.other]?.allowed = [Self.app]
        #expect(kernel.permits(from: 4096, to: 4130) && kernel.permits(from: 4130, to: 4096))
    }

    @Test func tornJournalIsAPrefix() {
        var disk = JournalDisk()
        let records = (0..<4).map {
            JournalDisk.Item.records([.recovering($0 % 2 == 0)], first: UInt64($0) + 1, .init(1))
        }
        disk.syncing = Array(records.prefix(2))
        disk.queued = Array(records.suffix(2))
        #expect(disk.tear(keeping: 3) == 1)
        #expect(disk.entries.map(\.sequence) == [1, 2, 3])
        #expect(disk.durableSequence == 3 && disk.submitted == 3)
    }

    /// The checker excuses what a restored book cannot know, and no longer.
    @Test func aRestoredBookKnowsWhatItHasHeard() throws {
        let (source, other) = (try #require(HostID("source")), try #require(HostID("other")))
        var ledger = Ledger(of: Plan(seed: 1, hosts: 3).coordinator)
        func hear(_ event: RestorationEvent) { #expect(ledger.apply(.restoration(event), at: 0) == nil) }
        #expect(!ledger.isRestored(between: source, and: other))
        hear(.started)
        hear(.heard(source))
        hear(.heard(other))
        #expect(!ledger.isRestored(between: source, and: other), "a third host may hold what matters")
        hear(.ended)
        #expect(ledger.isRestored(between: source, and: other))
        hear(.started)
        hear(.heard(source))
        hear(.ended)
        #expect(!ledger.isRestored(between: source, and: other), "an operator went on without it")
        hear(.heard(other))
        #expect(ledger.isRestored(between: source, and: other))
    }
}
