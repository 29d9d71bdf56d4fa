import FleetProtocol
import Forecasting
import NetworkTypes
import Testing

@testable import CoordinatorCore

/// A second source of samples beside the agents.
@Suite struct ExternalSourceTests {
    private static let clockSlot = 180_000_000

    private func samples(_ fleet: Fleet, _ app: ApplicationID) -> [Int?] {
        fleet.log.flatMap { event -> [Int?] in
            guard case .sampled(_, let samples) = event else { return [] }
            return samples.filter { $0.application == app }.map { $0.demand?.vms }
        }
    }

    private func tell(_ fleet: Fleet, _ vms: Int, at slot: Int, for seconds: Int = 3) throws -> ExternalOutcome {
        let reply = try fleet.command(
            .observe(
                [ExternalSample(application: "web", vms: vms)], clockSlot: slot, lifetime: .seconds(seconds))
        ).get()
        guard case .observed(let outcome) = reply else { throw CoordinatorError.notReady }
        return outcome
    }

    @Test func withoutAgentsItIsTheBeat() throws {
        let fleet = try Fleet(hosts: 0)
        let app = try fleet.application("web")
        for index in 0..<5 {
            #expect(try tell(fleet, 10 + index, at: fleet.machine.state.slot + 1).taken == 1)
        }
        #expect(samples(fleet, app) == [10, 11, 12, 13, 14])
        #expect(try fleet.machine.profile("web").current == 14 && fleet.machine.feed.externalTaken == 5)
    }

    /// Nothing, then zero VMs that nobody reported, then a source that falls silent: unknown, and no scale-in.
    @Test func itsSilenceIsUnknown() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        fleet.aggregate(host, [])
        _ = try tell(fleet, 20, at: 0)
        fleet.aggregate(host, [])
        fleet.pass(.seconds(10))
        fleet.aggregate(host, [])
        #expect(samples(fleet, app) == [0, 20, nil])
        #expect(try fleet.machine.profile("web").current == 20)
    }

    @Test func agentsWin() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        _ = try tell(fleet, 500, at: 0)
        fleet.aggregate(fleet.names[0], [(app, vms: 7, launches: 0)])
        #expect(samples(fleet, app) == [7] && fleet.machine.feed.externalOverruled == 1)
        // Their word is zero too, once they spoke.
        _ = try tell(fleet, 500, at: 0)
        fleet.aggregate(fleet.names[0], [(app, vms: 0, launches: 0)])
        #expect(samples(fleet, app) == [7, 0])
    }

    /// A host is away: the other source stands in if the two agreed when both spoke.
    @Test(arguments: [(told: 12, expected: 12 as Int?), (told: 90, expected: nil)])
    func standsInWhereTheyAgreed(told: Int, expected: Int?) throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        _ = try tell(fleet, told, at: 0, for: 60)
        for host in fleet.names { fleet.aggregate(host, [(app, vms: 5, launches: 0)]) }
        fleet.disconnect(fleet.names[1])
        fleet.aggregate(fleet.names[0], [(app, vms: 5, launches: 0)])
        fleet.pass(.seconds(2))
        #expect(samples(fleet, app) == [10, expected])
    }

    @Test func strangersAndNonsenseAreCounted() throws {
        let fleet = try Fleet(hosts: 0)
        _ = try fleet.application("web")
        let reply = try fleet.command(
            .observe(
                [
                    ExternalSample(application: "nobody", vms: 1), ExternalSample(application: "web", vms: 1 << 40),
                    ExternalSample(application: "web", vms: -1),
                ], clockSlot: 5, lifetime: .seconds(5))
        ).get()
        var expected = ExternalOutcome()
        (expected.unknown, expected.refused) = (1, 2)
        #expect(reply == .observed(expected))
    }

    /// A store counts on from a clock; a clock that leaps too far is not followed.
    @Test func aClockThatLeapsIsNotFollowed() throws {
        let fleet = try Fleet(hosts: 0)
        _ = try fleet.application("web")
        _ = try tell(fleet, 1, at: 1000)
        #expect(fleet.machine.state.slot == 1000)
        fleet.now = fleet.now + .seconds(1)
        _ = try tell(fleet, 1, at: Self.clockSlot)
        #expect(fleet.machine.state.slot == 1001)
        fleet.now = fleet.now + .seconds(1)
        _ = try tell(fleet, 1, at: 7)
        #expect(fleet.machine.state.slot == 1002)
    }

    /// Asked twice in one interval, as at every step of the source: one interval is counted.
    @Test func oneIntervalIsOneBeat() throws {
        let fleet = try Fleet(hosts: 0)
        let app = try fleet.application("web")
        for step in 0..<20 {
            fleet.now = fleet.now + .seconds(1)
            _ = try fleet.command(.observe([], clockSlot: 1000 + step, lifetime: .zero)).get()
            _ = try tell(fleet, 5, at: 1000 + step)
        }
        #expect(fleet.machine.state.slot == 1019 && samples(fleet, app).count == 20)
    }

    // MARK: The past

    private func past(_ fleet: Fleet, _ count: Int) throws -> LearntPast {
        let plan = fleet.machine.backfillPlan()
        let app = try #require(plan.applications.keys.first)
        var builder = PastBuilder(shape: plan.shape, teaching: plan.teaching[app])
        for index in 0..<count {
            builder.add(
                ExternalSample(application: "web", vms: 20 + index % 60 / 6, launches: 1),
                at: plan.slot - count + 1 + index)
        }
        return try #require(builder.past)
    }

    /// To the bit what the same samples, told one by one, would have taught; and so after a restart.
    @Test(arguments: [false, true]) func backfilledIsAsFedDirectly(fromSnapshot: Bool) throws {
        let count = 3000
        let (direct, filled) = (try Fleet(hosts: 0), try Fleet(hosts: 0))
        for fleet in [direct, filled] {
            _ = try fleet.command(.observe([], clockSlot: 500_000, lifetime: .zero)).get()
            _ = try fleet.application("web")
        }
        for index in 0..<count {
            _ = try direct.command(
                .observe(
                    [ExternalSample(application: "web", vms: 20 + index % 60 / 6, launches: 1)],
                    clockSlot: 500_001 + index, lifetime: .seconds(1))
            ).get()
        }
        _ = try filled.command(.observe([], clockSlot: 500_000 + count, lifetime: .zero)).get()
        _ = try filled.command(.backfill("web", try past(filled, count))).get()
        #expect(try filled.machine.profile("web").horizons.contains { !$0.concurrent.isEmpty })
        func learnt(_ fleet: Fleet) -> [[UInt8]] {
            fleet.machine.state.names["web"].map { app in
                [
                    fleet.machine.state.series[app]?.encoded() ?? [],
                    fleet.machine.state.histories[app]?.encoded() ?? [],
                    fleet.machine.state.marginalAttachment(of: app).first?.bytes ?? [],
                ]
            } ?? []
        }
        #expect(learnt(filled) == learnt(direct) && learnt(filled).allSatisfy { $0.count > 1000 })
        try filled.restart(fromSnapshot: fromSnapshot)
        #expect(learnt(filled) == learnt(direct))
        // And it goes on alike.
        for fleet in [direct, filled] {
            for index in 1...50 { _ = try tell(fleet, 30, at: 500_000 + count + index) }
        }
        #expect(learnt(filled) == learnt(direct))
    }

    @Test func whoHasAPastKeepsIt() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        for _ in 0..<200 { fleet.aggregate(fleet.names[0], [(app, vms: 7, launches: 0)]) }
        #expect(fleet.machine.backfillPlan().applications.isEmpty)
        let events = fleet.log.count
        let refused = fleet.command(.backfill("web", LearntPast(forecaster: [], history: [], slot: 1)))
        #expect(throws: CoordinatorError.self) { try refused.get() }
        #expect(fleet.log.count == events)
    }

    /// An agent was faster than the past: its first samples give way, and it goes on from there.
    @Test func theFirstMinutesGiveWayToAPast() throws {
        let fleet = try Fleet(hosts: 1)
        _ = try fleet.command(.observe([], clockSlot: 5000, lifetime: .zero)).get()
        fleet.start()
        let app = try fleet.application("web")
        for _ in 0..<5 { fleet.aggregate(fleet.names[0], [(app, vms: 7, launches: 0)]) }
        _ = try fleet.command(.backfill("web", try past(fleet, 900))).get()
        #expect(try fleet.machine.profile("web").samples == 900)
        fleet.aggregate(fleet.names[0], [(app, vms: 8, launches: 0)])
        #expect(try fleet.machine.profile("web").samples == 901 && fleet.machine.profile("web").current == 8)
    }

    @Test func aPastOfAnotherShapeIsRefused() throws {
        let fleet = try Fleet(hosts: 0)
        _ = try fleet.application("web")
        _ = try fleet.command(.observe([], clockSlot: 1000, lifetime: .zero)).get()
        var past = try past(fleet, 500)
        past.forecaster[40] ^= 1
        #expect(throws: CoordinatorError.self) { try fleet.command(.backfill("web", past)).get() }
        past.forecaster[40] ^= 1
        past.slot = 1001
        #expect(throws: CoordinatorError.self) { try fleet.command(.backfill("web", past)).get() }
        past.slot = 1000
        _ = try fleet.command(.backfill("web", past)).get()
        #expect(throws: CoordinatorError.self) { try fleet.command(.backfill("web", past)).get() }
    }
}
