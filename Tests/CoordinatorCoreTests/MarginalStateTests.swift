import Allocation
import FleetProtocol
import Forecasting
import Foundation
import NetworkTypes
import Testing

@testable import CoordinatorCore

/// The rule of marginal value as the coordinator keeps it.
@Suite struct MarginalStateTests {
    private static func vms(_ step: Int) -> Int { 4 + step * 5 % 7 + step / 60 }

    private static func run(_ fleet: Fleet, _ app: ApplicationID, _ steps: Range<Int>) {
        for step in steps {
            fleet.now = fleet.now + .seconds(10)
            let (now, before) = (vms(step), step > 0 ? vms(step - 1) : 0)
            for host in fleet.names { fleet.aggregate(host, [(app, vms: now, launches: max(0, now - before))]) }
        }
    }

    private func fleet(_ change: (inout CoordinatorConfiguration) -> Void = { _ in }) throws -> Fleet {
        var configuration = Fleet.seconds
        configuration.aggregateInterval = .seconds(10)
        configuration.unreachableAfter = .seconds(200)
        change(&configuration)
        let fleet = try Fleet(configuration, hosts: 2)
        fleet.start()
        return fleet
    }

    private func advice(_ fleet: Fleet, _ app: ApplicationID) -> MarginalAdvice? {
        fleet.machine.marginal(of: app, at: fleet.now)
    }

    @Test func learnsFromTheSamplesOfTheFleet() throws {
        let fleet = try fleet()
        let app = try fleet.application("web")
        let clock = try #require(fleet.machine.state.marginalClock)
        let first = clock.slotsPerTick - clock.phase(of: app)
        #expect(advice(fleet, app) == nil)
        Self.run(fleet, app, 0..<200)
        let told = try #require(advice(fleet, app))
        // The same rule, told of the samples alone.
        var twin = MarginalProfile(after: 0, phase: clock.phase(of: app), clock: clock)
        let policy = try MarginalPolicy(costRatio: 20)
        for event in fleet.log {
            guard case .sampled(let slot, let samples) = event else { continue }
            let demand = samples.first?.demand
            twin.observe(
                demand.map { .init(concurrent: $0.vms, peak: $0.peak, launches: $0.launches, stops: $0.stops) },
                at: slot,
                clock: clock, policy: policy)
        }
        #expect(fleet.machine.state.marginals[app] == twin && twin.advice(at: 200, clock: clock) == told)
        #expect(told.target >= 0 && told.price > 0 && first <= 30)
    }

    /// The same from the log, from a snapshot, and from a snapshot with the rest of the log.
    @Test func survivesEveryRestart() throws {
        let fleet = try fleet()
        let app = try fleet.application("web", ApplicationPolicy(priority: .critical))
        Self.run(fleet, app, 0..<130)
        let (snapshot, events) = (fleet.machine.snapshot(), fleet.log.count)
        Self.run(fleet, app, 130..<217)
        let expected = try #require(fleet.machine.state.marginals[app])
        let told = advice(fleet, app)
        #expect(told != nil)
        var tail = try CoordinatorMachine(
            restoring: snapshot, configuration: fleet.configuration, randomSeed: 1)
        for event in fleet.log[events...] { tail.replay(event) }
        #expect(tail.state.marginals[app] == expected)
        for fromSnapshot in [true, false] {
            try fleet.restart(fromSnapshot: fromSnapshot)
            #expect(fleet.machine.state.marginals[app] == expected && advice(fleet, app) == told)
        }
    }

    /// An image of before the rule, one of another interval, damaged bytes: it starts anew, all else stays.
    @Test func whatCannotBeReadStartsAnew() throws {
        let fleet = try fleet()
        let app = try fleet.application("web")
        Self.run(fleet, app, 0..<70)
        var snapshot = fleet.machine.snapshot()
        #expect(snapshot.attachments.count { $0.kind == .marginal } == 1)
        let place = try #require(snapshot.attachments.firstIndex { $0.kind == .marginal })
        snapshot.attachments[place].bytes[300] ^= 1
        for attempt in 0..<2 {
            if attempt == 1 { snapshot.attachments.remove(at: place) }
            let machine = try CoordinatorMachine(
                restoring: snapshot, configuration: fleet.configuration, randomSeed: 1)
            #expect(machine.marginal(of: app, at: fleet.now) == nil && machine.state.marginals[app] != nil)
            #expect(machine.state.series[app]?.encoded() == fleet.machine.state.series[app]?.encoded())
            #expect(machine.state.relearning == [])
        }
    }

    /// With the profile it comes and goes.
    @Test func isForgottenWithTheProfile() throws {
        let fleet = try fleet { $0.profilesMax = 2 }
        let (a, b) = (try fleet.application("a"), try fleet.application("b"))
        Self.run(fleet, b, 0..<35)
        let c = try fleet.application("c")
        #expect(Set(fleet.machine.state.marginals.keys) == Set(fleet.machine.state.series.keys))
        #expect(fleet.machine.state.marginals[a] == nil && fleet.machine.state.marginals[c] != nil)
        _ = try fleet.command(.deleteApplication("c")).get()
        fleet.pass(.seconds(2000))
        #expect(fleet.machine.state.marginals[c] == nil)
        #expect(Set(fleet.machine.state.marginals.keys) == Set(fleet.machine.state.series.keys))
    }

    /// The dearer a miss, the more is held; the class says how dear, unless the policy does.
    @Test func theClassPricesAMiss() throws {
        func target(_ policy: ApplicationPolicy) throws -> MarginalAdvice {
            let fleet = try fleet()
            let app = try fleet.application("web", policy)
            Self.run(fleet, app, 0..<150)
            return try #require(advice(fleet, app))
        }
        let classes = try [PriorityClass.batch, .standard, .critical].map {
            try target(ApplicationPolicy(priority: $0))
        }
        #expect(classes[0].price > classes[1].price && classes[1].price > classes[2].price)
        #expect(classes[0].target <= classes[1].target && classes[1].target <= classes[2].target)
        #expect(try target(ApplicationPolicy(priority: .critical, costRatio: 5)) == classes[0])
        #expect(throws: MarginalError.costRatio(0)) { try CostRatios(critical: 1, standard: 1, batch: 0) }
    }

    @Test(arguments: [0, -1, 0.0001, 1e7, .nan, .infinity] as [Double])
    func aRatioThatSaysNothingIsRefused(ratio: Double) throws {
        let fleet = try fleet()
        _ = try fleet.application("web", ApplicationPolicy(costRatio: 0.001))
        let events = fleet.log.count
        let refused = fleet.command(
            .updateApplication("web", policy: ApplicationPolicy(costRatio: ratio), expectedRevision: 0))
        guard case .failure(.invalid(field: "cost_ratio", _)) = refused else {
            Issue.record("\(refused)")
            return
        }
        #expect(fleet.log.count == events)
    }

    /// Records of before the ratio, and events of pasts of before the rule, are read; what is written is read again.
    @Test func olderRecordsAreRead() throws {
        let policy = ApplicationPolicy(priority: .batch, cap: 32, costRatio: 7)
        let coded = try JSONEncoder().encode(policy)
        #expect(try JSONDecoder().decode(ApplicationPolicy.self, from: coded) == policy)
        var fields = try #require(JSONSerialization.jsonObject(with: coded) as? [String: Any])
        fields["costRatio"] = nil
        let older = try JSONDecoder().decode(
            ApplicationPolicy.self, from: JSONSerialization.data(withJSONObject: fields))
        #expect(older == ApplicationPolicy(priority: .batch, cap: 32))
        let event = CoordinatorEvent.backfilled(
            ApplicationID(UUID128(high: 1, low: 2)), slot: 3, forecaster: "AA==", history: "AQ==", marginal: nil)
        let text = try JSONEncoder().encode(event)
        #expect(!String(decoding: text, as: UTF8.self).contains("marginal"), "written as it was before")
        #expect(try JSONDecoder().decode(CoordinatorEvent.self, from: text) == event)
    }
}
