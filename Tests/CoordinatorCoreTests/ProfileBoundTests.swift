import FleetProtocol
import Forecasting
import NetworkTypes
import Testing

@testable import CoordinatorCore

/// However many applications there are, or a broken agent makes up.
@Suite struct ProfileBoundTests {
    private func aggregates(_ sequence: UInt64, _ ids: [ApplicationID], at now: Instant) -> AgentMessage {
        .aggregates(
            Aggregates(
                sequence: sequence, interval: .seconds(1), endedAt: now,
                applications: ids.map {
                    ApplicationAggregate(
                        application: $0, vms: 3, peakVMs: 3, cooling: 0, launches: 1, stops: 0, misses: 0,
                        waited: .zero, traffic: nil, observed: ObservedAggregate(vms: 2, peakVMs: 2))
                }))
    }

    /// Nothing of them stays, neither in memory nor in the store, and an alarm says so, seldom.
    @Test func madeUpApplicationsLeaveNothing() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        let host = fleet.names[0]
        var strangers = 0
        for sequence in 1...50 {
            let made = (0..<20_000).map {
                ApplicationID(UUID128(high: UInt64(sequence), low: UInt64($0)))
            }
            strangers += made.count + 1
            fleet.say(aggregates(UInt64(sequence), made + [app, app], at: fleet.now), from: host)
        }
        #expect(
            fleet.machine.feed.strangers == strangers && fleet.machine.status(at: fleet.now).unknownEntries == strangers
        )
        let alarms = fleet.notices.count { $0.code == "unknown-applications" }
        #expect((1...7).contains(alarms), "\(alarms) alarms for a million entries")
        #expect(fleet.machine.state.observed[host]?.count == 1 && fleet.machine.followed == 1)
        #expect(try fleet.machine.profile("web").current == 5)
        for event in fleet.log {
            if case .aggregated(_, _, _, let tallies) = event { #expect(tallies.map(\.application) == [app]) }
            if case .sampled(_, let samples) = event { #expect(samples.count <= 1) }
        }
    }

    private func bounded(_ limit: Int) -> CoordinatorConfiguration {
        var configuration = Fleet.seconds
        configuration.profilesMax = limit
        return configuration
    }

    /// The longest idle go; what has VMs stays, whatever comes.
    @Test func theLongestIdleAreGivenUp() throws {
        let fleet = try Fleet(bounded(10), hosts: 1)
        fleet.start()
        let host = fleet.names[0]
        let apps = try (0..<10).map { try fleet.application("app-\($0)") }
        // Each was last busy later than the one before; the first is busy all the time.
        for index in apps.indices {
            let busy = [apps[0], apps[index]].prefix(index == 0 ? 1 : 2)
            fleet.aggregate(host, busy.map { ($0, vms: 3, launches: 0) })
        }
        _ = try fleet.application("late")
        let kept = Set(fleet.machine.state.series.keys)
        #expect(fleet.machine.followed == 10 && kept.contains(apps[0]) && !kept.contains(apps[1]))
        #expect(fleet.machine.feed.evicted == 1 && fleet.machine.status(at: fleet.now).profilesEvicted == 1)
        #expect(try fleet.machine.profile("app-1").state == .cold)
        #expect(fleet.machine.state.histories.count == 10 && fleet.machine.state.lastActive.count == 10)
    }

    /// No room, nobody idle: the newcomer is not followed, and there is an end to it.
    @Test func aFullHouseStaysFull() throws {
        let fleet = try Fleet(bounded(4), hosts: 1)
        fleet.start()
        let apps = try (0..<12).map { try fleet.application("app-\($0)") }
        for _ in 0..<20 {
            fleet.aggregate(fleet.names[0], apps.map { ($0, vms: 3, launches: 0) })
            #expect(fleet.machine.followed <= 4)
        }
        let figures = fleet.machine.profilerFigures(limit: 2)
        #expect(fleet.machine.followed == 4 && figures.unfollowed == 8 && figures.applications.count == 2)
    }

    /// Given up, and back when there is room.
    @Test func whoComesBackIsFollowedAgain() throws {
        let fleet = try Fleet(bounded(2), hosts: 1)
        fleet.start()
        let host = fleet.names[0]
        let (a, b) = (try fleet.application("a"), try fleet.application("b"))
        fleet.aggregate(host, [(a, vms: 1, launches: 1)])
        fleet.aggregate(host, [(b, vms: 1, launches: 1)])
        let c = try fleet.application("c")
        #expect(Set(fleet.machine.state.series.keys) == [b, c])
        _ = try fleet.command(.deleteApplication("c")).get()
        fleet.pass(.seconds(2000))
        fleet.connect(host)
        fleet.aggregate(host, [(a, vms: 4, launches: 1), (b, vms: 1, launches: 0)])
        #expect(Set(fleet.machine.state.series.keys) == [a, b])
        #expect(try fleet.machine.profile("a").current == 4)
    }

    /// Without a profiler nothing is learnt and nothing forgotten, and decisions are those of watermarks.
    @Test func withoutAProfilerWhatWasLearntIsKept() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let app = try fleet.application("web")
        for _ in 0..<100 { fleet.aggregate(fleet.names[0], [(app, vms: 5, launches: 1)]) }
        var configuration = Fleet.seconds
        configuration.profiler = .elsewhere
        var machine = try CoordinatorMachine(
            restoring: fleet.machine.snapshot(), configuration: configuration, randomSeed: 3)
        _ = machine.recovered(at: fleet.now)
        #expect(machine.followed == 0 && machine.backfillPlan().applications.isEmpty)
        #expect(try machine.profile("web").state == .cold)
        let again = try CoordinatorMachine(
            restoring: machine.snapshot(), configuration: Fleet.seconds, randomSeed: 4)
        #expect(try again.profile("web") == fleet.machine.profile("web"))
    }

    /// Whatever order and number of times aggregates come in, a slot is told once, and late ones change no sample.
    @Test func lateAndReorderedAggregates() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        for host in fleet.names { _ = fleet.lease(app, on: host, request: 1) }
        for sequence in 1...3 {
            for host in [a, b] { fleet.aggregate(host, [(app, vms: sequence, launches: 0)]) }
        }
        // Host a alone, until its slot is overdue; then what b had to say, twice, and older still.
        fleet.aggregate(a, [(app, vms: 9, launches: 0)])
        fleet.pass(.seconds(2))
        fleet.aggregate(b, [(app, vms: 9, launches: 0)])
        let events = fleet.log.count
        for sequence in [4, 4, 2, 1] as [UInt64] { fleet.say(aggregates(sequence, [app], at: fleet.now), from: b) }
        #expect(fleet.log.count == events && fleet.machine.feed.duplicates == 4)
        fleet.aggregate(a, [(app, vms: 10, launches: 0)])
        // What b said after its slot belongs to the next one, where it stands beside a's 10.
        fleet.aggregate(b, [(app, vms: 10, launches: 0)])
        fleet.pass(.seconds(2))
        let slots = fleet.log.compactMap { event -> Int? in
            if case .sampled(let slot, _) = event { slot } else { nil }
        }
        #expect(slots == slots.sorted() && Set(slots).count == slots.count)
        let known = try fleet.machine.history(of: "web", .fine).values[.vms]?.compactMap { $0 }
        #expect(known?.prefix(3) == [2, 4, 6] && known?.last == 19)
    }
}
