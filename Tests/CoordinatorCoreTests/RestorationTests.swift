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

    @Test func whatSomebodyElseHasIsLeftAndReported() throws {
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
        // Its identifiers are not free when they are not b's any more.
        _ = fleet.command(.reclaim(.identifier(scene.late.first), dryRun: false, reason: "test", force: false))
        fleet.drain(scene.late, on: b)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        #expect(fleet.lease(of: scene.late)?.host == a && fleet.agents[a]?.leases[scene.late] != nil)
        #expect(!fleet.findings.contains("lease-conflict"))
        #expect(fleet.lease(of: scene.late)?.bound == 1)
        #expect(!fleet.machine.reclaimed(after: 0).map(\.block).contains(scene.late), "nothing came back")
    }

    /// In the backup a block rests that was leased to another host after it.
    @Test(arguments: [0, 1]) func whatRestedInTheBackupIsAdopted(inOrder first: Int) throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        let block = try #require(fleet.agents[b]?.leases.keys.first)
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        fleet.drain(block, on: b)
        fleet.quiesce()
        #expect(fleet.lease(of: block)?.state == .quarantined)
        let backup = fleet.log.count
        fleet.pass(.seconds(10))
        var request: UInt64 = 50
        while fleet.lease(of: block) == nil, request < 90 {
            request += 1
            _ = fleet.lease(scene.app, on: a, request: request)
        }
        #expect(fleet.lease(of: block)?.host == a)
        try fleet.bind(block.first, of: scene.app, on: a, state: .bound)
        fleet.quiesce()
        try fleet.restore(backup: backup)
        #expect(fleet.lease(of: block)?.state == .quarantined && fleet.lease(of: block)?.host == b)
        for host in first == 0 ? [a, b] : [b, a] { fleet.connect(host) }
        #expect(fleet.lease(of: block)?.host == a && fleet.lease(of: block)?.bound == 1)
        #expect(fleet.agents[a]?.leases[block] != nil && fleet.findings.contains("lease-adopted"))
    }

    /// In the backup a VM has not migrated yet.
    @Test(arguments: [false, true]) func whatMigratedAfterTheBackupIsWhereItRuns(sourceFirst: Bool) throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        let backup = fleet.log.count
        _ = try scene.migrate(to: b)
        fleet.quiesce()
        try scene.arrive(at: b)
        fleet.quiesce()
        try scene.end(on: a)
        #expect(scene.phase == .dropped)
        try fleet.restore(backup: backup)
        for host in [c] + (sourceFirst ? [a, b] : [b, a]) { fleet.connect(host) }
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase != nil, "not handed out at home")
        #expect(fleet.agents[b]?.leases[scene.single] != nil && fleet.agents[b]?.bindings[scene.sni] != nil)
        #expect(fleet.state(of: b) == .frozen && fleet.findings.contains("lease-adopted"))
        _ = try fleet.command(.thawHost(b, keep: nil)).get()
        fleet.quiesce()
        #expect(scene.phase == .dropped && fleet.agents[a]?.remotes[scene.single]?.host == b)
        #expect(fleet.findings == [])
    }

    /// In the backup somebody else has the block around an identifier that migrated later, and its hello comes last.
    @Test func whatMigratedLaterGoesBackToTheBlockThatHoldsItNow() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        let half = try #require(SNIBlock(first: scene.block.first, size: scene.block.size / 2))
        let backup = fleet.log.count
        let vm = try #require(fleet.agents[a]?.bindings[scene.sni])
        // Since then: a's block went, its half became c's, and one of its VMs migrated to b.
        fleet.agents[a]?.leases[scene.block] = nil
        fleet.agents[a]?.bindings = [:]
        fleet.agents[c]?.leases[half] = LeaseOrder(block: half, application: scene.app, epoch: Epoch(90))
        fleet.agents[b]?.leases[scene.single] = LeaseOrder(
            block: scene.single, application: scene.app, epoch: Epoch(91))
        fleet.agents[b]?.bindings[scene.sni] = vm
        try fleet.restore(backup: backup)
        for host in [b, c, a] { fleet.connect(host) }
        #expect(fleet.machine.migrations().map(\.migration.source) == [c])
        #expect(fleet.lease(of: half)?.host == c && fleet.agents[c]?.departures[scene.sni] != nil)
        for host in [b, c] { _ = try fleet.command(.thawHost(host, keep: nil)).get() }
        fleet.quiesce()
        #expect(scene.phase == .dropped && fleet.findings == [])
    }

    /// In the backup a block rests that the same host has leased again since.
    @Test func aLaterLifeAtTheSameHostIsAdopted() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.bind(scene.late.first, of: scene.app, on: a, state: .ended)
        _ = fleet.command(.reclaim(.identifier(scene.late.first), dryRun: false, reason: "test", force: false))
        fleet.drain(scene.late, on: a)
        fleet.quiesce()
        let backup = fleet.log.count
        fleet.pass(.seconds(10))
        #expect(fleet.lease(of: scene.late) == nil)
        fleet.agents[a]?.leases[scene.late] = LeaseOrder(
            block: scene.late, application: scene.app, epoch: Epoch(99))
        try fleet.restore(backup: backup)
        #expect(fleet.lease(of: scene.late)?.state == .quarantined)
        for host in [b, a] { fleet.connect(host) }
        #expect(fleet.lease(of: scene.late)?.state == .leased && fleet.agents[a]?.leases[scene.late] != nil)
    }

    /// What a host holds begins where a larger block of the backup does.
    @Test func peersForgetTheBlockThatASmallerOneReplaces() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try #require(fleet.lease(scene.app, on: c, request: 1))
        fleet.quiesce()
        let backup = fleet.log.count
        let half = try #require(SNIBlock(first: scene.block.first, size: scene.block.size / 2))
        fleet.agents[a]?.leases[scene.block] = nil
        fleet.agents[a]?.bindings = [:]
        fleet.agents[b]?.leases[half] = LeaseOrder(block: half, application: scene.app, epoch: Epoch(90))
        try fleet.restore(backup: backup)
        for host in [c, b] { fleet.connect(host) }
        #expect(fleet.agents[c]?.remotes[scene.block] != nil, "no kernel is changed before everybody was heard")
        fleet.connect(a)
        #expect(fleet.agents[c]?.remotes[half]?.host == b && fleet.agents[c]?.remotes[scene.block] == nil)
        scene.clean()
    }

    /// In the backup another host has a block that it gave up, and whose new holder speaks first.
    @Test func whatIsGivenUpByALaterHelloIsAdopted() throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        let block = try #require(fleet.agents[b]?.leases.keys.first)
        let backup = fleet.log.count
        _ = fleet.command(.reclaim(.identifier(block.first), dryRun: false, reason: "test", force: false))
        fleet.drain(block, on: b)
        fleet.quiesce()
        fleet.pass(.seconds(10))
        var request: UInt64 = 50
        while fleet.lease(of: block) == nil, request < 90 {
            request += 1
            _ = fleet.lease(scene.app, on: a, request: request)
        }
        try fleet.bind(block.first, of: scene.app, on: a, state: .bound)
        fleet.quiesce()
        try fleet.restore(backup: backup)
        fleet.connect(a)
        #expect(fleet.lease(of: block)?.host == b && fleet.findings.contains("lease-conflict"))
        fleet.connect(b)
        #expect(fleet.lease(of: block)?.host == a && fleet.agents[a]?.leases[block] != nil)
        #expect(fleet.lease(of: block)?.bound == 1 && !fleet.findings.contains("lease-conflict"))
    }

    @Test(arguments: [false, true]) func restorationOutlivesTheCoordinator(fromSnapshot: Bool) throws {
        let scene = try Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        try fleet.restore(backup: scene.backup)
        fleet.connect(b)
        try fleet.restart(fromSnapshot: fromSnapshot)
        #expect(fleet.machine.position.generation == 2)
        fleet.connect(b)
        #expect(fleet.agents[b]?.stopped == "restoring")
        fleet.connect(a)
        #expect(fleet.agents[b]?.isGranted == true)
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
