import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct PlacementTests {
    /// Whole groups go where identifiers are staged; what is left goes to leased ones, and the rest is told.
    @Test func prefersWhatIsStaged() throws {
        let fleet = try Fleet(hosts: 3)
        fleet.start()
        let app = try fleet.application("web", ApplicationPolicy(blockSize: 8))
        let (first, second, third) = (fleet.names[0], fleet.names[1], fleet.names[2])
        let block = try #require(fleet.lease(app, on: first, request: 1))
        _ = try #require(fleet.lease(app, on: second, request: 1))
        _ = try #require(fleet.lease(app, on: second, request: 2))
        fleet.quiesce()
        // A third host, whose block its peers have not acknowledged.
        _ = try #require(fleet.lease(app, on: third, request: 1))
        try fleet.bind(block.first, of: app, on: first, state: .bound)
        let info = try fleet.machine.placementHints(for: "web", count: 27)
        #expect(info.hosts.map(\.host) == [second, first, third])
        #expect(info.hosts.map(\.staged) == [16, 7, 0] && info.hosts.map(\.leased) == [0, 0, 8])
        #expect(info.hosts.map(\.place) == [16, 7, 4] && info.hosts.map(\.bound) == [0, 1, 0])
        #expect(info.unplaced == 0)
        #expect(try fleet.machine.placementHints(for: "web", count: 40).unplaced == 9)
        // Who is not there is no place.
        fleet.disconnect(second)
        fleet.pass(.seconds(60))
        let left = try fleet.machine.placementHints(for: "web", count: 3)
        #expect(!left.hosts.map(\.host).contains(second))
    }

    @Test func refusals() throws {
        let fleet = try Fleet(hosts: 1)
        #expect(throws: CoordinatorError.unknownApplication("web")) {
            try fleet.machine.placementHints(for: "web", count: 1)
        }
        _ = try fleet.application("web")
        #expect(throws: CoordinatorError.self) {
            try fleet.machine.placementHints(for: "web", count: 1 << 25)
        }
        let none = try fleet.machine.placementHints(for: "web", count: 5)
        #expect(none.hosts.isEmpty && none.unplaced == 5)
    }
}
