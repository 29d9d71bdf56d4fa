import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct FollowingTests {
    /// So many VMs at a time.
    private static func vms(_ step: Int) -> Int { 6 + step * 5 % 7 + step / 40 }

    private static func run(_ fleet: Fleet, _ app: ApplicationID, _ steps: Range<Int>, _ each: () -> Void = {}) {
        for step in steps {
            fleet.now = fleet.now + .seconds(1)
            for host in fleet.names { fleet.aggregate(host, [(app, vms: vms(step), launches: step % 2)]) }
            each()
        }
    }

    @Test func learnsTheSameAsInOneProcess() throws {
        let here = try Fleet(hosts: 2)
        here.start()
        let pair = try Pair()
        let apps = try [here, pair.fleet].map { try $0.application("web", ApplicationPolicy(cap: 64)) }
        #expect(apps[0] == apps[1])
        pair.follow(pair.whole)
        Self.run(here, apps[0], 0..<300)
        Self.run(pair.fleet, apps[1], 0..<300) { pair.carry() }
        #expect(pair.state(apps[0]) == here.machine.state.series[apps[0]]?.encoded())
        #expect(pair.profiler.machine.state.histories[apps[0]] == here.machine.state.histories[apps[0]])
        #expect(try pair.profiler.machine.profile("web") == here.machine.profile("web"))
        #expect(pair.fleet.machine.state.series.isEmpty)
        // It rules nothing.
        pair.profiler.pass(.seconds(5000))
        #expect(pair.profiler.machine.state.book.owned(by: apps[0]) == 0)
        // And learns on after a restart, from the snapshot as from the log.
        for fromSnapshot in [true, false] {
            let before = pair.state(apps[0])
            try pair.profiler.restart(fromSnapshot: fromSnapshot)
            #expect(pair.state(apps[0]) == before)
        }
        #expect(pair.profiler.machine.followedSlot == pair.fleet.machine.newestSlot)
        pair.follow(pair.whole)
        Self.run(here, apps[0], 300..<310)
        Self.run(pair.fleet, apps[1], 300..<310) { pair.carry() }
        #expect(pair.state(apps[0]) == here.machine.state.series[apps[0]]?.encoded())
    }

    @Test(arguments: [PriorityClass.critical, .standard, .batch])
    func decidesTheSameAsInOneProcess(priority: PriorityClass) throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(2)
        let here = try Fleet(configuration, hosts: 2)
        here.start()
        let pair = try Pair(configuration)
        let policy = ApplicationPolicy(priority: priority)
        let app = try here.application("web", policy)
        _ = try pair.fleet.application("web", policy)
        pair.follow(pair.whole)
        var used = 0
        for step in 0..<240 {
            Self.run(here, app, step..<step + 1)
            Self.run(pair.fleet, app, step..<step + 1) { pair.carry() }
            for fleet in [here, pair.fleet] {
                fleet.input(.tick)
                fleet.quiesce()
            }
            let (mine, theirs) = try (here.machine.decisions().first, pair.fleet.machine.decisions().first)
            #expect(mine?.target == theirs?.target && mine?.owned == theirs?.owned, "step \(step)")
            if mine?.forecast != nil { used += 1 }
            #expect((mine?.forecast == nil) == (theirs?.forecast == nil))
        }
        #expect(used > 100)
    }

    /// A profiler that is away: its last words count for two decisions, then there are watermarks.
    @Test func whatIsNotRenewedLapses() throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(10)
        let pair = try Pair(configuration)
        let app = try pair.fleet.application("web")
        pair.follow(pair.whole)
        Self.run(pair.fleet, app, 0..<200) { pair.carry() }
        pair.fleet.pass(.seconds(10))
        #expect(try pair.fleet.machine.decisions().first?.forecast != nil)
        pair.fleet.pass(.seconds(10))
        pair.fleet.pass(.seconds(10))
        #expect(try pair.fleet.machine.decisions().first?.forecast == nil)
        pair.tell()
        pair.fleet.pass(.seconds(10))
        #expect(try pair.fleet.machine.decisions().first?.forecast != nil)
    }

    /// What the rule of marginal value says comes with the forecasts, with the same policy, and lapses with them.
    @Test func adviceComesAlong() throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(10)
        configuration.aggregateInterval = .seconds(10)
        let here = try Fleet(configuration, hosts: 2)
        here.start()
        let pair = try Pair(configuration)
        let policy = ApplicationPolicy(priority: .batch, costRatio: 50)
        let (app, same) = (try here.application("web", policy), try pair.fleet.application("web", policy))
        #expect(app == same)
        pair.follow(pair.whole)
        var known = 0
        for step in 0..<100 {
            Self.run(here, app, step..<step + 1)
            Self.run(pair.fleet, app, step..<step + 1) { pair.carry() }
            let advice = here.machine.marginal(of: app, at: here.now)
            #expect(pair.advice(app) == advice, "step \(step)")
            known += advice == nil ? 0 : 1
        }
        #expect(known > 60 && pair.fleet.machine.state.marginals.isEmpty)
        #expect(try pair.fleet.machine.decisionExplanation(of: "web", at: pair.fleet.now).costRatio == 50)
        #expect(try pair.fleet.machine.decisionExplanation(of: "web", at: pair.fleet.now).marginal == pair.advice(app))
        pair.fleet.pass(.seconds(29))
        #expect(pair.advice(app) != nil)
        pair.fleet.pass(.seconds(2))
        #expect(pair.advice(app) == nil)
        pair.tell()
        #expect(pair.advice(app) != nil)
    }

    @Test func lostAndRepeatedBatches() throws {
        let pair = try Pair()
        let app = try pair.fleet.application("web")
        pair.follow(pair.whole)
        Self.run(pair.fleet, app, 0..<100)
        let batches = pair.batches()
        for batch in batches.prefix(50) { pair.follow(batch) }
        let known = pair.state(app)
        for batch in batches.prefix(50) { pair.follow(batch) }
        #expect(pair.state(app) == known && pair.profiler.machine.feed.duplicates == 50)
        // What is lost is unknown: it is no sample, and no scale-in.
        for batch in batches.suffix(20) { pair.follow(batch) }
        #expect(try pair.profiler.machine.profile("web").samples == 70)
        #expect(try pair.profiler.machine.profile("web").current == 2 * Self.vms(99))
    }

    @Test func applicationsComeAndGo() throws {
        let pair = try Pair()
        let web = try pair.fleet.application("web")
        _ = try pair.fleet.application("shop", ApplicationPolicy(priority: .critical, cap: 32))
        pair.follow(pair.whole)
        #expect(pair.profiler.machine.profiles().count == 2)
        _ = try pair.fleet.command(.deleteApplication("web")).get()
        let again = try pair.fleet.application("web")
        pair.follow(pair.whole)
        #expect(pair.profiler.machine.state.names["web"] == again && again != web)
        #expect(pair.profiler.machine.state.applications[web] == nil)
        var change = SampleBatch(
            slot: 0, interval: .seconds(1), installation: pair.whole.installation, removed: [again])
        pair.follow(change)
        #expect(pair.profiler.machine.profiles().count == 1)
        change.applications = Array(pair.fleet.machine.applicationsForProfiler().values)
        change.removed = []
        pair.follow(change)
        #expect(pair.profiler.machine.profiles().count == 2)
        #expect(
            pair.profiler.machine.state.names["shop"].flatMap { pair.profiler.machine.state.applications[$0] }?
                .policy == ApplicationPolicy(priority: .critical, cap: 32, blockSize: 16, costRatio: 100))
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let pair = try Pair()
        _ = try pair.fleet.application("web")
        var batch = pair.whole
        batch.interval = .seconds(7)
        let events = pair.profiler.log.count
        guard case .failure(.invalid(field: "aggregate-interval", _)) = pair.follow(batch) else {
            Issue.record("another interval was taken")
            return
        }
        #expect(pair.profiler.log.count == events)
        guard case .failure(.invalid(field: "services", _)) = pair.fleet.command(.follow(pair.whole)) else {
            Issue.record("a coordinator follows another")
            return
        }
    }

    /// A wrong address costs nothing of what was learnt.
    @Test(arguments: [false, true]) func anotherInstallationIsRefused(fromSnapshot: Bool) throws {
        let pair = try Pair()
        let app = try pair.fleet.application("web")
        pair.follow(pair.whole)
        Self.run(pair.fleet, app, 0..<60) { pair.carry() }
        let known = pair.state(app)
        let other = try CoordinatorMachine(configuration: pair.fleet.configuration, randomSeed: 7)
        #expect(other.installation != pair.fleet.machine.installation)
        try pair.profiler.restart(fromSnapshot: fromSnapshot)
        let empty = SampleBatch(slot: 9, interval: .seconds(1), installation: other.installation, isWhole: true)
        guard case .failure(.invalid(field: "coordinator", _)) = pair.follow(empty) else {
            Issue.record("another installation was followed")
            return
        }
        #expect(pair.state(app) == known && known != nil)
        // The same one, restarted, is no other.
        try pair.fleet.restart(fromSnapshot: fromSnapshot)
        guard case .success = pair.follow(pair.whole) else {
            Issue.record("a restarted coordinator is not known again")
            return
        }
        #expect(pair.state(app) == known)
    }

    /// A coordinator that was restored from a backup counts from before.
    @Test func aCountThatWentBack() throws {
        let pair = try Pair()
        let app = try pair.fleet.application("web")
        pair.follow(pair.whole)
        Self.run(pair.fleet, app, 0..<60) { pair.carry() }
        var whole = pair.whole
        whole.slot = 10
        pair.follow(whole)
        let demand = FleetSample.Demand(vms: 33, peak: 33)
        for slot in 11...15 {
            pair.follow(
                SampleBatch(
                    slot: slot, interval: .seconds(1), installation: whole.installation,
                    samples: [FleetSample(application: app, demand: demand)]))
        }
        #expect(try pair.profiler.machine.profile("web").samples == 65)
        // It asks for what comes next also after a restart.
        for fromSnapshot in [true, false] {
            #expect(pair.profiler.machine.followedSlot == 15)
            try pair.profiler.restart(fromSnapshot: fromSnapshot)
        }
        whole.slot = 15
        pair.follow(whole)
        pair.follow(
            SampleBatch(
                slot: 16, interval: .seconds(1), installation: whole.installation,
                samples: [FleetSample(application: app, demand: demand)]))
        let profile = try pair.profiler.machine.profile("web")
        #expect(profile.samples == 66 && profile.current == 33)
    }

    /// While the coordinator is away another source goes on, in the coordinator's count; what comes late of those intervals
    /// is no second word about them, and nothing of now is told of what is over.
    @Test func anotherSourceGoesOnInTheSameCount() throws {
        let pair = try Pair()
        _ = try pair.fleet.application("web")
        let theirs = try pair.fleet.application("theirs")
        let profiler = pair.profiler
        func observe(_ vms: Int, clock: Int) {
            profiler.now = profiler.now + .seconds(1)
            _ = profiler.command(
                .observe([ExternalSample(application: "theirs", vms: vms)], clockSlot: clock, lifetime: .seconds(2)))
        }
        // Before the coordinator has said anything there is no count to go on with.
        observe(4, clock: 9)
        #expect(profiler.machine.newestSlot == 0)
        var whole = pair.whole
        whole.slot = 1000
        _ = profiler.command(.follow(whole))
        let web = try #require(profiler.machine.state.names["web"])
        func sample(_ slot: Int, isPast: Bool) {
            let parts = [
                FleetSample(application: web, demand: FleetSample.Demand(vms: 2, peak: 2, launches: 2)),
                FleetSample(application: theirs, demand: .init()),
            ]
            _ = profiler.command(
                .follow(
                    SampleBatch(
                        slot: slot, interval: .seconds(1), installation: whole.installation, isPast: isPast,
                        samples: parts)))
        }
        for step in 1...10 { observe(5, clock: 777 + step) }
        #expect(profiler.machine.newestSlot == 1010)
        let own = sampled(profiler, theirs)
        #expect(own.count { $0 == 5 } >= 6)
        // The coordinator is back, with what it sampled meanwhile.
        for slot in 1001...1012 { sample(slot, isPast: slot < 1012) }
        #expect(profiler.machine.newestSlot == 1012 && profiler.machine.feed.late == 10)
        #expect(try profiler.machine.profile("web").samples == 2)
        #expect(sampled(profiler, theirs).suffix(2) == [nil, 5])
        // Nothing that agents do not say of an application of others is a scale-in.
        #expect(try profiler.machine.profile("theirs").current == 5)
    }

    private func sampled(_ fleet: Fleet, _ app: ApplicationID) -> [Int?] {
        fleet.log.flatMap { event -> [Int?] in
            guard case .sampled(_, let samples) = event else { return [] }
            return samples.filter { $0.application == app }.map { $0.demand?.vms }
        }
    }

    /// What a profiler alone forgets, a coordinator owns.
    @Test func aStoreServesOnePart() throws {
        let pair = try Pair()
        let app = try pair.fleet.application("web")
        _ = pair.fleet.lease(app, on: pair.fleet.names[0], request: 1)
        pair.follow(pair.whole)
        func other(_ fleet: Fleet, _ place: ProfilerPlace) throws -> CoordinatorError? {
            var configuration = fleet.configuration
            configuration.profiler = place
            return try CoordinatorMachine(
                restoring: fleet.machine.snapshot(), configuration: configuration, randomSeed: 1
            ).contradiction()
        }
        #expect(try other(pair.fleet, .here) == nil && other(pair.profiler, .alone) == nil)
        // Applications without a host are somebody's too; a store that nobody used is anybody's.
        let fresh = try Fleet(hosts: 0)
        #expect(try other(fresh, .alone) == nil)
        _ = try fresh.application("web")
        #expect(try other(fresh, .alone) != nil)
        for (fleet, place) in [(pair.fleet, ProfilerPlace.alone), (pair.profiler, .here), (pair.profiler, .elsewhere)] {
            guard case .invalid(field: "state-directory", _) = try other(fleet, place) else {
                Issue.record("\(place) runs on another part's store")
                continue
            }
        }
    }
}

@Suite struct FleetPriorTests {
    /// Once a day what the fleet has taught is what young applications borrow, and it survives.
    @Test func isLearntOnceADayAndKept() throws {
        let fleet = try Fleet(hosts: 1)
        fleet.start()
        let apps = try (1...9).map { try fleet.application("app-\($0)") }
        let standard = fleet.machine.state.forecasting.prior.encoded()
        for step in 0..<400 {
            fleet.aggregate(
                fleet.names[0],
                apps.enumerated().map { ($1, vms: 3 + $0 * $0 + (step * (3 + $0)) % 7, launches: step % 2) })
        }
        let renewals = fleet.log.count { $0 == .priorRenewed }
        #expect((6...7).contains(renewals))
        let taught = fleet.machine.state.forecasting.prior.encoded()
        #expect(taught != standard)
        let before = fleet.machine.state.series.mapValues { $0.encoded() }
        for fromSnapshot in [false, true] {
            try fleet.restart(fromSnapshot: fromSnapshot)
            #expect(fleet.machine.state.forecasting.prior.encoded() == taught)
            #expect(fleet.machine.state.series.mapValues { $0.encoded() } == before)
        }
        let young = try fleet.application("young")
        #expect(fleet.machine.state.series[young]?.shape.prior.encoded() == taught)
    }
}
