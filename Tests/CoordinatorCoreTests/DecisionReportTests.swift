import Allocation
import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct DecisionReportTests {
    private static var quick: CoordinatorConfiguration {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(10)
        return configuration
    }

    @Test func tellsWhatWasGivenAndWhatWouldChangeIt() throws {
        let fleet = try Fleet(Self.quick, hosts: 2)
        fleet.start()
        _ = try fleet.application("web", ApplicationPolicy(floor: 40))
        #expect(try fleet.machine.decisionExplanation(of: "web", at: fleet.now).decision == nil)
        fleet.pass(.seconds(10))
        fleet.pass(.seconds(3))
        let told = try fleet.machine.decisionExplanation(of: "web", at: fleet.now)
        #expect(told.decision?.target == 40 && told.age == .seconds(3) && told.free > 0)
        let reserved = told.outcomes.filter { $0.kind == .given && $0.text.hasPrefix("reserved ") }
        let leased = told.outcomes.filter { $0.kind == .given && $0.text.hasPrefix("leased ") }
        #expect(!reserved.isEmpty && leased.count == 4 && told.outcomes.allSatisfy { $0.age == .seconds(3) })
        #expect(told.levers.contains { $0.hasPrefix("the profile is cold") })
        #expect(told.classes.map(\.priority) == [.critical, .standard, .batch])
        #expect(told.classes.allSatisfy { $0.forecast == nil })
    }

    @Test func namesThePolicyThatHoldsItBack() throws {
        let fleet = try Fleet(Self.quick, hosts: 1)
        fleet.start()
        _ = try fleet.application("web", ApplicationPolicy(mode: .observe, floor: 16, cap: 16))
        fleet.pass(.seconds(10))
        fleet.pass(.seconds(10))
        let told = try fleet.machine.decisionExplanation(of: "web", at: fleet.now)
        #expect(told.levers.contains { $0.hasPrefix("mode is observe") })
        #expect(told.levers.contains { $0.hasPrefix("the cap of 16") })
    }

    /// A pool of one chunk: who comes late is refused, and says so once; who is lower gives up what it reserved.
    @Test func tellsWhatWasRefusedAndTaken() throws {
        var configuration = Self.quick
        configuration.pool = [SNIRange(unchecked: 4096, count: 4096)]
        let fleet = try Fleet(configuration, hosts: 1)
        fleet.start()
        _ = try fleet.application("low", ApplicationPolicy(priority: .batch))
        _ = try fleet.command(
            .allocateRange("low", count: 4096, confidence: 1, idempotencyKey: "", lifetime: nil)
        ).get()
        let same = try fleet.application("same", ApplicationPolicy(priority: .batch))
        #expect(fleet.lease(same, on: fleet.names[0], request: 1) == nil)
        fleet.pass(.seconds(10))
        #expect(fleet.lease(same, on: fleet.names[0], request: 2) == nil)
        fleet.pass(.seconds(10))
        let told = try fleet.machine.decisionExplanation(of: "same", at: fleet.now)
        let refused = told.outcomes.filter { $0.kind == .refused }
        #expect(refused.map(\.age) == [.seconds(10), .zero, .zero])
        #expect(refused[0].text.hasPrefix("launches on host-0 found nothing: exhausted"))
        #expect(refused[1].text.contains("the pool has 0 left"))
        #expect(told.levers.contains { $0.contains("batch takes from nobody") })
        let high = try fleet.application("high", ApplicationPolicy(priority: .critical))
        #expect(fleet.lease(high, on: fleet.names[0], request: 3) != nil)
        let low = try fleet.machine.decisionExplanation(of: "low", at: fleet.now)
        #expect(low.outcomes.contains { $0.kind == .taken && $0.text.contains("went to high, which is critical") })
    }
}
