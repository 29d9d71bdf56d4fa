import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

/// What hosts hold, and a book that was restored has otherwise.
@Suite struct RestorationAdoptionTests {
    /// In the backup a block rests that was leased to another host after it.
    @Test(arguments: [0, 1]) func whatRestedInTheBackupIsAdopted(inOrder first: Int) throws {
        let scene = try RestorationTests.Scene()
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

    /// In the backup a VM has not begun to migrate, and it has not arrived yet: it runs at its source.
    @Test func whatHasNotArrivedStaysWhereItRuns() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        let backup = fleet.log.count
        _ = try scene.migrate(to: b)
        fleet.quiesce()
        try fleet.bind(scene.sni, of: scene.app, on: b, state: .bound)
        let epoch = try #require(fleet.agents[b]?.leases[scene.single]).epoch
        try fleet.restore(backup: backup)
        for host in [c, a, b] { fleet.connect(host) }
        #expect(scene.phase == .preparing && fleet.agents[a]?.departures[scene.sni]?.phase == .preparing)
        #expect(fleet.agents[b]?.leases[scene.single]?.incoming == scene.vm)
        _ = try fleet.command(.thawHost(b, keep: nil)).get()
        fleet.say(.arrived(scene.sni, epoch), from: b)
        try scene.end(on: a)
        fleet.quiesce()
        #expect(scene.phase == .dropped && fleet.findings == [])
    }

    /// In the backup the source has not said that the identifier leaves, and the VM arrives before it is asked again.
    @Test func anArrivalThatAnOldBookDidNotExpectIsOne() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: b, isHeard: false)
        let backup = fleet.log.count
        fleet.quiesce()
        try fleet.bind(scene.sni, of: scene.app, on: b, state: .bound)
        let epoch = try #require(fleet.agents[b]?.leases[scene.single]).epoch
        try fleet.restore(backup: backup)
        for host in [c, b, a] { fleet.connect(host) }
        fleet.say(.arrived(scene.sni, epoch), from: b)
        #expect(scene.phase == .flipped)
        try scene.end(on: a)
        fleet.quiesce()
        #expect(scene.phase == .dropped && fleet.machine.migrations().first?.migration.isAborted == false)
        #expect(fleet.findings == [])
        scene.clean()
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

    /// The source has given up the block around a VM that migrated before the backup was made, or nobody has it at all:
    /// the VM keeps its identifier, and nobody else gets it.
    @Test(arguments: [false, true]) func aVMKeepsItsIdentifierWithoutTheBlockAroundIt(isKnown: Bool) throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        let vm = try #require(fleet.agents[a]?.bindings[scene.sni])
        if !isKnown {
            try scene.end(on: a)
            _ = fleet.command(.reclaim(.identifier(scene.sni), dryRun: false, reason: "test", force: false))
            fleet.drain(scene.block, on: a)
            fleet.quiesce()
            fleet.pass(.seconds(10))
            #expect(fleet.lease(of: scene.block) == nil)
        }
        fleet.agents[a]?.leases[scene.block] = nil
        fleet.agents[a]?.bindings = [:]
        fleet.agents[b]?.leases[scene.single] = LeaseOrder(
            block: scene.single, application: scene.app, epoch: Epoch(91))
        fleet.agents[b]?.bindings[scene.sni] = vm
        try fleet.restore(backup: fleet.log.count)
        for host in [a, b, c] { fleet.connect(host) }
        fleet.quiesce()
        fleet.pass(.seconds(10))
        fleet.pass(.seconds(10))
        let owner = fleet.machine.state.book.blockLease(around: scene.sni)
        if isKnown {
            #expect(fleet.machine.migrations().map(\.migration.destination) == [b])
            #expect(owner?.state == .quarantined, "it waits for what has left it")
        } else {
            #expect(owner?.host == b && fleet.findings.contains("lease-conflict"))
        }
    }

    /// In the backup a block rests that the same host has leased again since.
    @Test func aLaterLifeAtTheSameHostIsAdopted() throws {
        let scene = try RestorationTests.Scene()
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
        let scene = try RestorationTests.Scene()
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
        let scene = try RestorationTests.Scene()
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

    /// In the backup an identifier that had migrated rests on its way home; since then it came home and migrated again.
    @Test(arguments: [false, true]) func whatRestsInTheBackupAndMigratedAgainIsWhereItRuns(elsewhere: Bool) throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: b)
        fleet.quiesce()
        try scene.arrive(at: b)
        try scene.end(on: a)
        fleet.quiesce()
        try scene.end(on: b)
        fleet.quiesce()
        scene.drain(on: b)
        fleet.quiesce()
        #expect(scene.sublease == .quarantined)
        let backup = fleet.log.count
        fleet.pass(.seconds(10))
        #expect(scene.sublease == nil)
        fleet.quiesce()
        try fleet.bind(scene.sni, of: scene.app, on: a, state: .bound)
        let there = elsewhere ? c : b
        _ = try scene.migrate(to: there)
        fleet.quiesce()
        try scene.arrive(at: there)
        try scene.end(on: a)
        fleet.quiesce()
        try fleet.restore(backup: backup)
        for host in [b, a, c] { fleet.connect(host) }
        #expect(fleet.agents[there]?.leases[scene.single] != nil)
        for _ in 0..<4 {
            fleet.quiesce()
            fleet.pass(.seconds(10))
        }
        #expect(fleet.machine.migrations().map(\.migration.destination) == [there])
        #expect(fleet.agents[a]?.departures[scene.sni]?.phase == .dropped, "not handed out at home")
        _ = try fleet.command(.thawHost(there, keep: nil)).get()
        fleet.quiesce()
        #expect(scene.phase == .dropped && fleet.findings == [])
    }

    /// An old journal tells of a VM that left again long ago.
    @Test func anArrivalWithoutAVMIsNotAdopted() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b) = (scene.fleet, scene.a, scene.b)
        var old = try #require(fleet.agents[a]?.bindings[scene.sni])
        old.state = .cooling
        fleet.disconnect(b)
        fleet.agents[b]?.leases[scene.single] = LeaseOrder(
            block: scene.single, application: scene.app, epoch: Epoch(1))
        fleet.agents[b]?.bindings[scene.sni] = old
        fleet.connect(b)
        #expect(fleet.machine.migrations().isEmpty && fleet.agents[b]?.leases[scene.single] == nil)
        #expect(fleet.agents[a]?.departures.isEmpty == true)
    }

    /// A block begins another life only when what had left it is home: sub-leases of the earlier one are over.
    @Test func aLaterLifeEndsTheSubleasesOfTheEarlierOne() throws {
        let scene = try MigrationTests.Scene()
        let (fleet, a, b, c) = (scene.fleet, scene.a, scene.b, scene.c)
        _ = try scene.migrate(to: b)
        fleet.quiesce()
        try scene.arrive(at: b)
        fleet.quiesce()
        let backup = fleet.log.count
        // Since then all came home, the block went, and it is c's now.
        for host in [a, b] { fleet.agents[host]?.leases = [:] }
        for host in [a, b] { fleet.agents[host]?.bindings = [:] }
        fleet.agents[c]?.leases[scene.block] = LeaseOrder(
            block: scene.block, application: scene.app, epoch: Epoch(90))
        try fleet.restore(backup: backup)
        for host in [c, b, a] { fleet.connect(host) }
        #expect(fleet.lease(of: scene.block)?.host == c && fleet.agents[c]?.leases[scene.block] != nil)
        #expect(fleet.machine.migrations().isEmpty && scene.sublease == nil)
    }
}
