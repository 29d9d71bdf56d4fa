import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// Blocks where launches are expected: leased ahead, followed, taken back for other hosts, given back.
@Suite struct StagedAheadTests {
    private func fleet(hosts: Int = 4, weights: [String: Double] = [:]) throws -> Fleet {
        var configuration = Fleet.seconds
        configuration.profiler = .elsewhere
        configuration.unreachableAfter = .seconds(100_000)
        configuration.decisionInterval = .seconds(60)
        for (name, weight) in weights { configuration.hostWeights[try #require(HostID(name))] = weight }
        let fleet = try Fleet(configuration, hosts: hosts)
        fleet.start()
        return fleet
    }

    /// What a profiler elsewhere says, again and again.
    private func tell(_ fleet: Fleet, _ app: ApplicationID, target: Int, extra: Int = 0) throws {
        let forecast = try #require(
            PeakForecast(state: .ready, leads: [.seconds(2000)], levels: [0.5, 0.99], peaks: [1, 1]))
        let advice = try #require(
            MarginalAdvice(target: target, extra: extra, inUse: 0, price: 0.01, divisor: 1, floorMax: 4))
        fleet.input(.forecasts([app: ToldProfile(forecast: forecast, marginal: advice)]))
    }

    private func decide(_ fleet: Fleet, _ app: ApplicationID, target: Int, extra: Int = 0, times: Int = 1) throws {
        for _ in 0..<times {
            try tell(fleet, app, target: target, extra: extra)
            fleet.pass(.seconds(60))
            fleet.quiesce()
            drain(fleet, app)
        }
    }

    /// Hosts give up what they were asked for.
    private func drain(_ fleet: Fleet, _ app: ApplicationID) {
        for lease in fleet.machine.state.book.leases(of: app) where lease.state == .marked {
            fleet.drain(lease.block, on: lease.host)
        }
        fleet.quiesce()
    }

    private func leases(_ fleet: Fleet, _ app: ApplicationID) -> [HostID: [BlockLease]] {
        Dictionary(
            grouping: fleet.machine.state.book.leases(of: app).filter { $0.state == .leased || $0.state == .staged },
            by: \.host)
    }

    private func idle(_ fleet: Fleet, _ app: ApplicationID) -> Int {
        fleet.machine.state.book.idleBlocks(of: app).reduce(0) { $0 + $1.size }
    }

    /// Nothing was launched yet, and two hosts have a staged block of four each before the first two are.
    @Test func blocksComeBeforeLaunches() throws {
        let fleet = try fleet()
        let app = try fleet.application("web")
        try decide(fleet, app, target: 2, times: 3)
        let held = leases(fleet, app)
        #expect(held.count == 2 && held.values.allSatisfy { $0.count == 1 && $0[0].block.size == 4 })
        #expect(held.values.allSatisfy { $0[0].state == .staged && $0[0].predicted })
        // Nothing is launched yet, so no launch elsewhere is worth a reserve.
        #expect(idle(fleet, app) == 0)
        let notes = fleet.machine.live.decisions[app]?.reason ?? ""
        #expect(notes.contains("marginal value: hold 2"))
    }

    /// A spreading orchestrator takes the emptiest host; the next one has its block within a second of the launch.
    @Test func launchesAreFollowedWithoutADecision() throws {
        let fleet = try fleet()
        let app = try fleet.application("web")
        try decide(fleet, app, target: 0, extra: 1, times: 3)
        let first = try #require(leases(fleet, app).first)
        try fleet.bind(first.value[0].block.first, of: app, on: first.key, state: .bound)
        #expect(leases(fleet, app).count == 1)
        fleet.pass(.seconds(1))
        fleet.quiesce()
        let second = leases(fleet, app)
        #expect(second.count == 2 && second[first.key]?.count == 1)
        #expect(fleet.machine.live.timers.deadline(.follow) == nil)
    }

    /// What another host needs more is taken back by the handshake and stays the application's all the time.
    @Test func blocksMoveBetweenHosts() throws {
        let fleet = try fleet(hosts: 2)
        let app = try fleet.application("web", ApplicationPolicy(cap: 16))
        try decide(fleet, app, target: 2, times: 3)
        let before = leases(fleet, app)
        #expect(before.count == 2)
        let block = try #require(before[fleet.names[0]]?.first).block
        fleet.machine.live.recalled.insert(block, of: app)
        #expect(fleet.machine.live.recalled.identifiers(of: app) == 4)
        let reserved = idle(fleet, app)
        _ = fleet.command(.reclaim(.range(block.range), dryRun: false, reason: "test", force: false))
        drain(fleet, app)
        #expect(fleet.machine.state.book.lease(of: block)?.state == .quarantined)
        fleet.pass(.seconds(11))
        #expect(fleet.machine.state.book.lease(of: block) == nil && idle(fleet, app) == reserved + 4)
        #expect(fleet.machine.live.recalled.identifiers(of: app) == 0)
    }

    /// A launch that comes before the point of no return keeps the block where it is.
    @Test func aRecallIsForgottenWithItsMark() throws {
        let fleet = try fleet(hosts: 2)
        let app = try fleet.application("web")
        try decide(fleet, app, target: 2, times: 3)
        let host = fleet.names[0]
        let lease = try #require(leases(fleet, app)[host]?.first)
        _ = fleet.command(.reclaim(.range(lease.block.range), dryRun: false, reason: "test", force: false))
        fleet.machine.live.recalled.insert(lease.block, of: app)
        let marked = try #require(fleet.machine.state.book.lease(of: lease.block))
        fleet.say(
            .drainAnswer(
                DrainAnswer(block: lease.block, epoch: marked.epoch, outcome: .refused(reason: "a launch", users: []))),
            from: host)
        #expect(leases(fleet, app)[host]?.first?.block == lease.block)
        #expect(fleet.machine.live.recalled.identifiers(of: app) == 0)
    }

    /// Idle blocks and a reserve that nobody needs any more go back to the pool, not before an hour, and all of it.
    @Test func whatIdlesGoesBack() throws {
        let fleet = try fleet()
        let app = try fleet.application("web")
        try decide(fleet, app, target: 64, times: 3)
        let held = fleet.machine.state.book.owned(by: app)
        #expect(held >= 64)
        try decide(fleet, app, target: 0, times: 50)
        #expect(fleet.machine.state.book.owned(by: app) == held)
        try decide(fleet, app, target: 0, times: 40)
        #expect(leases(fleet, app).isEmpty)
        #expect(fleet.machine.state.book.owned(by: app) == 0)
        #expect(fleet.machine.state.book.free + fleet.machine.state.book.owned(by: app) == 65_536)
    }

    /// Without a word of the profiler the watermark rule decides, as if the rule had never been.
    @Test func silenceOfTheProfilerMeansWatermarks() throws {
        let fleet = try fleet(hosts: 2)
        let app = try fleet.application("web")
        fleet.pass(.seconds(60))
        fleet.quiesce()
        #expect(leases(fleet, app).isEmpty && idle(fleet, app) == 0)
        #expect(fleet.machine.live.decisions[app]?.reason.contains("no forecast: watermark rule") ?? false)
        let block = try #require(fleet.lease(app, on: fleet.names[0], request: 1))
        #expect(block.size == 16 && idle(fleet, app) == 0)
    }

    /// A launch that finds nothing brings what the next ones find; a block is as large as what waits.
    @Test func aColdLaunchFillsTheReserve() throws {
        let fleet = try fleet(hosts: 2)
        let app = try fleet.application("web")
        try tell(fleet, app, target: 0)
        let block = try #require(fleet.lease(app, on: fleet.names[0], request: 1))
        #expect(block.size == 4 && idle(fleet, app) == StagingMarks.fillLeast)
        // The operator's size counts.
        let other = try fleet.application("data", ApplicationPolicy(blockSize: 32))
        try tell(fleet, other, target: 0)
        #expect(try #require(fleet.lease(other, on: fleet.names[0], request: 2)).size == 32)
    }

    /// The operator keeps blocks off a host; what staging takes is measured.
    @Test func weightsCount() throws {
        let fleet = try fleet(hosts: 2, weights: ["host-0": 0])
        let app = try fleet.application("web")
        try decide(fleet, app, target: 3, times: 3)
        #expect(Set(leases(fleet, app).keys) == [fleet.names[1]])
        #expect(fleet.machine.live.places.lead.value != nil)
    }

    /// A host that may bind nothing gets nothing ahead.
    @Test func hostsThatAreAwayGetNothing() throws {
        let fleet = try fleet(hosts: 2)
        let app = try fleet.application("web")
        fleet.disconnect(fleet.names[1])
        try decide(fleet, app, target: 3, times: 3)
        #expect(Set(leases(fleet, app).keys) == [fleet.names[0]])
    }
}
