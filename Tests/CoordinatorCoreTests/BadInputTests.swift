import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// What contradicts itself, or what nobody asked for: a typed refusal or a defined outcome, and the book as it was.
@Suite struct BadInputTests {
    private static func small() -> CoordinatorConfiguration {
        var configuration = Fleet.seconds
        configuration.pool = [SNIRange(unchecked: 4096, count: 256)]
        configuration.chunkSize = 256
        return configuration
    }

    private func field(of result: Result<Reply, CoordinatorError>) -> String? {
        guard case .failure(.invalid(let field, _)) = result else { return nil }
        return field
    }

    // MARK: Policies

    @Test(
        arguments: [
            (ApplicationPolicy(floor: 65, cap: 64), "floor"), (ApplicationPolicy(floor: -1), "floor"),
            (ApplicationPolicy(cap: 8), "cap"), (ApplicationPolicy(cap: -16), "cap"),
            (ApplicationPolicy(lowWatermark: 9, highWatermark: 8), "high_watermark"),
            (ApplicationPolicy(lowWatermark: 17), "high_watermark"),
            (ApplicationPolicy(lowWatermark: -1), "low_watermark"),
            (ApplicationPolicy(threshold: 0), "threshold"), (ApplicationPolicy(threshold: 1), "threshold"),
            (ApplicationPolicy(threshold: .nan), "threshold"), (ApplicationPolicy(blockSize: 24), "block_size"),
        ])
    func policiesThatContradictThemselves(policy: ApplicationPolicy, field: String) throws {
        let fleet = try Fleet(Self.small(), hosts: 1)
        _ = try fleet.application("web")
        let (book, events) = (fleet.machine.state.book, fleet.log.count)
        #expect(self.field(of: fleet.command(.createApplication(name: "shop", policy: policy, id: nil))) == field)
        #expect(self.field(of: fleet.command(.updateApplication("web", policy: policy, expectedRevision: 0))) == field)
        #expect(fleet.machine.state.book == book && fleet.log.count == events)
    }

    @Test func floorsBeyondThePool() throws {
        let fleet = try Fleet(Self.small(), hosts: 1)
        _ = try fleet.application("web", ApplicationPolicy(floor: 200))
        _ = try fleet.application("shop", ApplicationPolicy(floor: 40))
        let (book, events) = (fleet.machine.state.book, fleet.log.count)
        func floor(_ count: Int) -> Command {
            .updateApplication("shop", policy: ApplicationPolicy(floor: count), expectedRevision: 0)
        }
        #expect(
            fleet.command(.createApplication(name: "data", policy: ApplicationPolicy(floor: 20), id: nil))
                == .failure(.exhausted(wanted: 20, free: 256)))
        #expect(fleet.command(floor(60)) == .failure(.exhausted(wanted: 60, free: 256)))
        #expect(fleet.machine.state.book == book && fleet.log.count == events)
        _ = try fleet.command(floor(56)).get()
    }

    // MARK: Acknowledgements

    /// Of what was never sent: another count, term or generation, or before any snapshot.
    @Test func whatWasNotSentIsNotAcknowledged() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        _ = fleet.lease(app, on: b, request: 1)
        fleet.quiesce()
        let block = try #require(fleet.lease(app, on: a, request: 1))
        let sent = try #require(fleet.agents[b]?.position)
        var wrong = [sent, sent, sent]
        wrong[0].revision = sent.revision + 1000
        wrong[1].term += 1
        wrong[2].generation += 1
        let events = fleet.log.count
        for position in wrong {
            fleet.say(.stateAck(position), from: b)
            fleet.say(.stateAck(position), from: a)
        }
        #expect(fleet.lease(of: block)?.state == .leased && fleet.log.count == events)
        fleet.acknowledge(b)
        #expect(fleet.lease(of: block)?.state == .staged)
        // Twice, and what was overtaken long ago.
        let after = fleet.log.count
        fleet.acknowledge(b)
        var old = sent
        old.revision = 1
        fleet.say(.stateAck(old), from: b)
        #expect(fleet.log.count == after && fleet.lease(of: block)?.state == .staged)
        fleet.quiesce()
        #expect(fleet.findings.isEmpty)
    }

    /// A drain that nobody asked for, of a block of another host, of a block that nobody has; twice; and late.
    @Test func drainsThatNobodyAskedFor() throws {
        let scene = try ReclamationTests.Scene()
        let fleet = scene.fleet
        let other = try #require(fleet.agents[scene.b]?.leases.keys.first)
        let nobodys = try #require(SNIBlock(first: SessionNetworkID(unchecked: 8192), size: 16))
        let book = fleet.machine.state.book
        for block in [scene.block, other, nobodys] {
            for outcome in [DrainAnswer.Outcome.drained, .refused(reason: "in use", users: [])] {
                let epoch = fleet.lease(of: block)?.epoch ?? Epoch(1)
                for epoch in [epoch, epoch.next, Epoch(0)] {
                    fleet.say(
                        .drainAnswer(DrainAnswer(block: block, epoch: epoch, outcome: outcome)), from: scene.a)
                }
            }
        }
        #expect(fleet.machine.state.book == book)
        _ = try scene.reclaim()
        let marked = try #require(fleet.agents[scene.a]?.leases[scene.block]).epoch
        scene.answer(.drained, epoch: marked)
        let drained = fleet.machine.state.book
        scene.answer(.drained, epoch: marked)
        scene.answer(.refused(reason: "late", users: []), epoch: marked)
        #expect(fleet.machine.state.book == drained && scene.state == .draining)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(scene.state == nil)
        // The next life of the block: the answer to the mark of the last one is of no use.
        let again = try #require(fleet.lease(scene.app, on: scene.a, request: 2))
        #expect(again == scene.block)
        scene.answer(.drained, epoch: marked)
        #expect(scene.state != .draining && fleet.lease(of: again)?.host == scene.a)
    }

    @Test func arrivalsThatNobodyExpects() throws {
        let scene = try ReclamationTests.Scene()
        let events = scene.fleet.log.count
        for sni in [scene.block.first, SessionNetworkID(unchecked: 9000)] {
            for epoch in [Epoch(0), Epoch(1), Epoch(1000)] {
                scene.fleet.say(.arrived(sni, epoch), from: scene.a)
            }
        }
        #expect(scene.fleet.log.count == events && scene.fleet.machine.migrations().isEmpty)
    }

    // MARK: Forecasts

    /// Told forecasts are good for a while from when they were heard; whatever they say, they add and never take.
    @Test func forecastsThatCannotBe() throws {
        let leads: [Duration] = [.seconds(10), .seconds(300)]
        func made(_ leads: [Duration], _ levels: [Double], _ peaks: [Double]) -> PeakForecast? {
            PeakForecast(state: .ready, leads: leads, levels: levels, peaks: peaks)
        }
        #expect(made(leads, [0.5, 0.9], [5, 4, 5, 6]) == nil, "crossing")
        #expect(made(leads, [0.9, 0.5], [4, 5, 5, 6]) == nil, "levels that fall")
        #expect(made([.seconds(300), .seconds(10)], [0.5, 0.9], [4, 5, 5, 6]) == nil, "leads that fall")
        #expect(made([.seconds(-10), .seconds(10)], [0.5, 0.9], [4, 5, 5, 6]) == nil, "of the past")
        #expect(made(leads, [0.5, 0.9], [4, .infinity, 5, 6]) == nil)
        #expect(made(leads, [0.5, 0.9], [-4, 5, 5, 6]) == nil)
        var configuration = Self.small()
        configuration.profiler = .elsewhere
        let fleet = try Fleet(configuration, hosts: 1)
        fleet.start()
        let app = try fleet.application("web", ApplicationPolicy(cap: 64))
        let huge = try #require(made(leads, [0.5, 0.9], [1e9, 1e12, 1e9, 1e12]))
        let events = fleet.log.count
        let told = ToldProfile(forecast: huge)
        fleet.input(.forecasts([app: told, ApplicationID(UUID128(high: 9, low: 9)): told]))
        #expect(fleet.log.count == events && fleet.machine.live.forecasts.count == 1)
        fleet.pass(.seconds(1000))
        #expect(fleet.machine.state.book.owned(by: app) <= 64)
    }

    // MARK: Applications

    @Test(arguments: [BindingState.bound, .held]) func deletedWithVMsBound(state: BindingState) throws {
        let scene = try ReclamationTests.Scene()
        try scene.fleet.bind(scene.block.first, of: scene.app, on: scene.a, state: state)
        let (book, events) = (scene.fleet.machine.state.book, scene.fleet.log.count)
        guard case .failure(.refused(let users)) = scene.fleet.command(.deleteApplication("web")) else {
            Issue.record("an application with VMs was deleted")
            return
        }
        #expect(users.map(\.vm) == ["vm-\(scene.block.first)"])
        #expect(scene.fleet.machine.state.book == book && scene.fleet.log.count == events)
        #expect(scene.fleet.machine.applications().first?.deleting == false && scene.state == .staged)
    }

    /// A VM that was bound and not yet reported when its application was deleted keeps it until it ends.
    @Test func aLaunchThatTheDeletionDidNotSee() throws {
        let scene = try ReclamationTests.Scene()
        let fleet = scene.fleet
        _ = try fleet.command(.deleteApplication("web")).get()
        try fleet.bind(scene.block.first, of: scene.app, on: scene.a, state: .bound)
        scene.answer(.refused(reason: "a launch came first", users: []))
        #expect(scene.state == .staged && fleet.machine.applications().first?.deleting == true)
        fleet.pass(.seconds(1000))
        #expect(scene.state == .marked, "asked for again")
        scene.answer(.refused(reason: "in use", users: []))
        #expect(fleet.machine.applications().count == 1)
    }

    // MARK: Classes

    /// What was asked back stays asked back; nothing more is taken from an application that is an equal now.
    @Test func raisedInTheMiddleOfAPreemption() throws {
        let scene = try PreemptionTests.Scene(leased: 4)
        let fleet = scene.fleet
        #expect(fleet.lease(scene.high, on: scene.b, request: 1) == nil)
        let marked = fleet.machine.state.book.allLeases.filter { $0.state == .marked }.map(\.block)
        #expect(marked.count == 1)
        _ = try fleet.command(
            .updateApplication("low", policy: ApplicationPolicy(priority: .critical), expectedRevision: 0)
        ).get()
        #expect(fleet.lease(scene.high, on: scene.b, request: 2) == nil)
        #expect(fleet.machine.state.book.allLeases.filter { $0.state == .marked }.map(\.block) == marked)
        fleet.drain(marked[0], on: scene.a)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(scene.free == 16)
        #expect(fleet.lease(scene.high, on: scene.b, request: 3) != nil)
        #expect(fleet.lease(scene.high, on: scene.b, request: 4) == nil)
        #expect(fleet.machine.state.book.allLeases.allSatisfy { $0.state != .marked })
        fleet.quiesce()
        #expect(fleet.machine.state.book.holdings.owned == 64 && fleet.findings.isEmpty)
    }

    /// What was asked back for an application that is of the lowest class by then comes free all the same, and goes to
    /// whoever comes first by the classes of now.
    @Test func loweredInTheMiddleOfAPreemption() throws {
        let scene = try PreemptionTests.Scene(leased: 4)
        let fleet = scene.fleet
        #expect(fleet.lease(scene.high, on: scene.b, request: 1) == nil)
        let marked = try #require(fleet.machine.state.book.allLeases.first { $0.state == .marked }).block
        _ = try fleet.command(
            .updateApplication("high", policy: ApplicationPolicy(priority: .batch), expectedRevision: 0)
        ).get()
        let other = try fleet.application("other", ApplicationPolicy(priority: .standard))
        #expect(fleet.lease(other, on: scene.b, request: 2) == nil)
        fleet.drain(marked, on: scene.a)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(scene.free == 16)
        #expect(fleet.lease(scene.high, on: scene.b, request: 3) == nil, "a higher class waits")
        #expect(fleet.lease(other, on: scene.b, request: 4) != nil)
        fleet.quiesce()
        #expect(scene.free == 0 && fleet.findings.isEmpty)
    }
}
