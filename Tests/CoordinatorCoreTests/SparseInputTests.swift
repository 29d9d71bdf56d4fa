import Allocation
import FleetProtocol
import NetworkTypes
import Testing

@testable import CoordinatorCore

/// Decisions look at hosts that know of the application, not at the whole fleet.
@Suite struct SparseInputTests {
    private func fleet() throws -> Fleet {
        var configuration = Fleet.seconds
        configuration.aggregateInterval = .seconds(10)
        configuration.unreachableAfter = .seconds(200)
        let fleet = try Fleet(configuration, hosts: 6)
        fleet.start()
        return fleet
    }

    /// - Returns: the hosts that were looked at.
    private func compare(_ fleet: Fleet, _ app: ApplicationID) throws -> [HostID] {
        let record = try #require(fleet.machine.state.applications[app])
        let input = fleet.machine.input(for: record)
        let full = fleet.machine.fullInput(input)
        #expect(full.hosts.map(\.host) == fleet.names)
        let allocator = PredictiveAllocator(settings: fleet.machine.settings(for: record))
        var (memory, other) = (AllocationMemory(), AllocationMemory())
        for step in 0..<3 {
            let now = fleet.now + .seconds(400 * step)
            var (sparse, whole) = (
                allocator.decide(input, memory: &memory, at: now), allocator.decide(full, memory: &other, at: now)
            )
            let known = Set(input.hosts.map(\.host))
            #expect(whole.shares.filter { known.contains($0.host) } == sparse.shares)
            #expect(whole.shares.allSatisfy { known.contains($0.host) || $0.held == 0 && $0.wanted == 0 })
            (sparse.shares, whole.shares) = ([], [])
            #expect(sparse == whole)
        }
        return input.hosts.map(\.host)
    }

    private func run(_ fleet: Fleet, _ app: ApplicationID, vms: Int) {
        for _ in 0..<60 {
            fleet.now = fleet.now + .seconds(10)
            for host in fleet.names {
                fleet.aggregate(host, host == fleet.names[0] ? [(app, vms: vms, launches: 0)] : [])
            }
        }
    }

    @Test func watermarksLookAtHostsThatKnowIt() throws {
        let fleet = try fleet()
        let web = try fleet.application("web", ApplicationPolicy(blockSize: 8))
        let idle = try fleet.application("idle")
        let floored = try fleet.application("floored", ApplicationPolicy(floor: 20))
        let (first, other) = (fleet.names[0], fleet.names[3])
        let block = try #require(fleet.lease(web, on: first, request: 1))
        _ = try #require(fleet.lease(web, on: other, request: 1))
        fleet.quiesce()
        try fleet.bind(block.first, of: web, on: first, state: .bound)
        #expect(try compare(fleet, web) == [first, other])
        #expect(try compare(fleet, idle).isEmpty)
        #expect(try compare(fleet, floored) == fleet.names, "nobody shows where twenty identifiers should go")
    }

    @Test func foretoldLaunchesLookAtHostsWithBlocksToo() throws {
        let fleet = try fleet()
        let web = try fleet.application("web", ApplicationPolicy(blockSize: 8))
        let (first, other) = (fleet.names[0], fleet.names[3])
        let block = try #require(fleet.lease(web, on: first, request: 1))
        _ = try #require(fleet.lease(web, on: other, request: 1))
        fleet.quiesce()
        try fleet.bind(block.first, of: web, on: first, state: .bound)
        run(fleet, web, vms: 1)
        let record = try #require(fleet.machine.state.applications[web])
        let outlook = try #require(fleet.machine.outlook(for: record))
        let looked = try compare(fleet, web)
        #expect(Set(looked) == Set(outlook.seats.keys).union([first, other]))
        // An empty block where nothing is expected can be taken back for where something is.
        #expect(looked.contains(other))
    }
}
