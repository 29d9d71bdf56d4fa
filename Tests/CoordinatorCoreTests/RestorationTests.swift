import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct RestorationTests {
    /// A backup was taken when `a` leased `early`; after it, `a` leased `late` and gave `early` back.
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let early: SNIBlock
        let late: SNIBlock
        let backup: Int

        init() throws {
            fleet = try Fleet(hosts: 2)
            fleet.start()
            app = try fleet.application("web")
            (a, b) = (fleet.names[0], fleet.names[1])
            early = try #require(fleet.lease(app, on: a, request: 1))
            _ = fleet.lease(app, on: b, request: 1)
            fleet.quiesce()
            backup = fleet.log.count
            late = try #require(fleet.lease(app, on: a, request: 2))
            fleet.quiesce()
            try fleet.bind(late.first, of: app, on: a, state: .bound)
            _ = fleet.command(.reclaim(.identifier(early.first), dryRun: false, reason: "test", force: false))
            fleet.drain(early, on: a)
            fleet.quiesce()
            fleet.pass(.seconds(10))
            #expect(fleet.lease(of: early) == nil)
        }
    }

    @Test func hostsTellTheBookWhatTheyHold() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        #expect(fleet.machine.position.generation == 2)
        #expect(fleet.lease(of: scene.late) == nil && fleet.lease(of: scene.early) != nil)
        #expect(fleet.findings.contains("restoring"))
        fleet.connect(b)
        #expect(fleet.agents[b]?.stopped == "restoring", "nothing is bound before everybody was heard")
        #expect(fleet.lease(scene.app, on: b, request: 7) == nil)
        let allocate = Command.allocateRange(
            "web", count: 4, confidence: 1, idempotencyKey: "", lifetime: nil)
        #expect(fleet.command(allocate) == .failure(.restoring(awaited: [a])))
        fleet.connect(a)
        // What it gave up after the backup is not given to it again; what it got is entered, and reported.
        #expect(fleet.agents[a]?.leases[scene.early] == nil)
        #expect(fleet.agents[a]?.leases[scene.late] != nil)
        #expect(fleet.lease(of: scene.late)?.host == a && fleet.lease(of: scene.late)?.bound == 1)
        #expect(fleet.state(of: a) == .frozen && fleet.findings.contains("lease-adopted"))
        #expect(fleet.agents[a]?.stopped == "frozen")
        #expect(fleet.agents[b]?.isGranted == true && fleet.agents[b]?.stopped == nil, "everybody was heard")
        #expect(fleet.agents[b]?.remotes[scene.late] != nil)
        _ = try fleet.command(.thawHost(a, keep: nil)).get()
        #expect(fleet.agents[a]?.isGranted == true)
        fleet.quiesce()
        #expect(fleet.lease(of: scene.early)?.state == .quarantined)
        #expect(fleet.findings == [])
        for agent in fleet.agents.values { #expect(agent.complaints.filter { !$0.contains("fell") } == []) }
    }

    @Test func aHelloFromTheFutureStartsIt() throws {
        let scene = try Scene()
        let (fleet, a) = (scene.fleet, scene.a)
        // Nobody said that the store is a backup. Its agents have seen a later term.
        for host in fleet.names { fleet.agents[host]?.position.term += 5 }
        fleet.log = Array(fleet.log.prefix(scene.backup))
        try fleet.restart()
        #expect(fleet.machine.position.generation == 1)
        fleet.connect(a)
        #expect(fleet.machine.position.generation == 2)
        #expect(fleet.notices.contains { $0.level == .error && $0.code == "store-behind" })
        #expect(fleet.lease(of: scene.late)?.host == a)
        #expect(fleet.agents[a]?.complaints.filter { $0.contains("below") } == [])
    }

    /// The lost leader ruled in the term that the backup names, so every position looks right.
    @Test func aLeaseThatTheBookNeverGaveStartsIt() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        fleet.log = Array(fleet.log.prefix(scene.backup))
        try fleet.restart()
        fleet.connect(b)
        #expect(fleet.machine.position.generation == 1, "what it holds is in the backup")
        fleet.connect(a)
        #expect(fleet.machine.position.generation == 2)
        #expect(fleet.notices.contains { $0.level == .error && $0.code == "store-behind" })
        #expect(fleet.lease(of: scene.late)?.host == a && fleet.agents[b]?.stream == nil)
        fleet.connect(b)
        #expect(fleet.agents[b]?.isGranted == true)
    }

    /// A host that falls silent meanwhile must not let handshakes end that nobody was told of.
    @Test func noHandshakeEndsWhileABookIsRestored() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        fleet.connect(a)
        #expect(fleet.lease(of: scene.late)?.state == .leased)
        fleet.pass(.seconds(21))
        #expect(fleet.lease(of: scene.late)?.state == .leased && fleet.lease(of: scene.early)?.state == .draining)
        fleet.connect(a)
        _ = try fleet.command(.endRestoration(reason: "b is scrap")).get()
        fleet.acknowledge(a)
        #expect(fleet.lease(of: scene.late)?.state == .staged && fleet.lease(of: scene.early)?.state == .quarantined)
        fleet.connect(b)
        #expect(fleet.agents[b]?.remotes[scene.late] != nil)
    }

    @Test func anOperatorGoesOnWithoutADeadHost() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        fleet.connect(b)
        #expect(fleet.command(.endRestoration(reason: "")).isInvalid("reason"))
        _ = try fleet.command(.endRestoration(reason: "a is scrap")).get()
        #expect(fleet.agents[b]?.isGranted == true)
        #expect(fleet.lease(scene.app, on: b, request: 7) != nil)
        #expect(fleet.command(.endRestoration(reason: "again")).isInvalid("restoration"))
        // It comes back all the same, and is compared as if it had been in time.
        fleet.connect(a)
        #expect(fleet.agents[a]?.leases[scene.early] == nil)
    }

    @Test(arguments: [false, true]) func whatSomebodyElseHasIsLeftAndReported(vmEnds: Bool) throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        fleet.connect(b)
        _ = try fleet.command(.endRestoration(reason: "a is scrap")).get()
        var request: UInt64 = 10
        while fleet.lease(of: scene.late) == nil, request < 40 {
            request += 1
            _ = fleet.lease(scene.app, on: b, request: request)
        }
        #expect(fleet.lease(of: scene.late)?.host == b)
        fleet.connect(a)
        #expect(fleet.state(of: a) == .frozen && fleet.findings.contains("lease-conflict"))
        #expect(fleet.agents[a]?.leases[scene.late] == nil, "an agent keeps what is in use, and binds nothing there")
        #expect(fleet.lease(of: scene.late)?.host == b)
        _ = try fleet.command(.thawHost(a, keep: nil)).get()
        #expect(fleet.agents[a]?.isGranted == true && fleet.findings.contains("lease-conflict"))
        if vmEnds {
            try fleet.bind(scene.late.first, of: scene.app, on: a, state: .ended)
            #expect(!fleet.findings.contains("lease-conflict"))
        }
        // Its identifiers are not free when they are not b's any more, as long as a VM has one.
        _ = fleet.command(.reclaim(.identifier(scene.late.first), dryRun: false, reason: "test", force: false))
        fleet.drain(scene.late, on: b)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        guard !vmEnds else {
            #expect(fleet.lease(of: scene.late) == nil)
            return
        }
        #expect(fleet.lease(of: scene.late)?.host == a && fleet.agents[a]?.leases[scene.late] != nil)
        #expect(!fleet.findings.contains("lease-conflict"))
        #expect(fleet.lease(of: scene.late)?.bound == 1)
        #expect(!fleet.machine.reclaimed(after: 0).map(\.block).contains(scene.late), "nothing came back")
    }

    @Test func aRestoredBookHidesNothingFromWhoReadTheList() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        let seen = try #require(fleet.machine.reclaimed(after: 0).last).cursor
        try fleet.restore(backup: scene.backup)
        for host in [a, b] { fleet.connect(host) }
        fleet.quiesce()
        fleet.pass(.seconds(10))
        let after = fleet.machine.reclaimed(after: seen)
        #expect(after.map(\.block) == [scene.early], "given up for the second time, as far as this book knows")
        #expect(after.allSatisfy { $0.cursor > seen })
        #expect(fleet.machine.reclaimed(after: try #require(after.last).cursor).isEmpty)
        #expect(fleet.machine.reclaimed(after: 0) == after)
        for fromSnapshot in [false, true] {
            try fleet.restart(fromSnapshot: fromSnapshot)
            #expect(fleet.machine.reclaimed(after: seen) == after)
        }
    }

    @Test func aFenceOfOldDoesNotTakeWhatCameAfterIt() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        fleet.disconnect(a)
        _ = try fleet.command(.fenceHost(a, proof: .poweredOff, reason: "test")).get()
        let backup = fleet.log.count
        fleet.agents[a]?.bindings = [:]
        fleet.connect(a)
        fleet.acknowledge(a)
        let fresh = try #require(fleet.lease(scene.app, on: a, request: 9))
        try fleet.bind(fresh.first, of: scene.app, on: a, state: .bound)
        try fleet.restore(backup: backup)
        fleet.connect(b)
        fleet.connect(a)
        #expect(fleet.agents[a]?.withdraws == false && fleet.agents[a]?.leases[fresh] != nil)
        #expect(fleet.state(of: a) == .frozen && fleet.lease(of: fresh)?.bound == 1)
        #expect(fleet.agents[b]?.isGranted == true)
    }

    @Test func aFencedHostIsAwaitedNoLonger() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        fleet.connect(b)
        #expect(fleet.agents[b]?.stopped == "restoring")
        _ = try fleet.command(.fenceHost(a, proof: .poweredOff, reason: "scrap")).get()
        #expect(fleet.agents[b]?.isGranted == true)
    }

    @Test func quarantineStartsAnewInFullAndTheReclaimedListSurvives() throws {
        let scene = try Scene()
        let (fleet, a) = (scene.fleet, scene.a)
        let before = fleet.machine.reclaimed(after: 0)
        #expect(before.map(\.block) == [scene.early] && before.map(\.cursor) == [1])
        try fleet.bind(scene.late.first, of: scene.app, on: a, state: .ended)
        _ = fleet.command(.reclaim(.identifier(scene.late.first), dryRun: false, reason: "test", force: false))
        fleet.drain(scene.late, on: a)
        fleet.quiesce()
        #expect(fleet.lease(of: scene.late)?.state == .quarantined)
        fleet.pass(.seconds(9))
        for fromSnapshot in [false, true] {
            try fleet.restart(fromSnapshot: fromSnapshot)
            #expect(fleet.machine.reclaimed(after: 0) == before)
            fleet.pass(.seconds(9))
            #expect(fleet.lease(of: scene.late)?.state == .quarantined, "from its start")
        }
        fleet.pass(.seconds(1))
        #expect(fleet.machine.reclaimed(after: 1).map(\.block) == [scene.late])
        #expect(fleet.machine.reclaimed(after: 2).isEmpty)
    }
}
