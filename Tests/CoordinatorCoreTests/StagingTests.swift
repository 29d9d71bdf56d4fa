import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct StagingTests {
    @Test func launchGetsABlockAndPeersStageItBeforeTheOwnerHearsSo() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let first = try #require(fleet.lease(app, on: a, request: 1))
        // Nobody else carries the application, so there is nobody to wait for.
        #expect(fleet.agents[a]?.leases[first]?.staged == true)
        #expect(fleet.agents[a]?.leases[first]?.fromReserved == false)

        let second = try #require(fleet.lease(app, on: b, request: 1))
        #expect(fleet.agents[b]?.leases[second]?.staged == false)
        #expect(fleet.agents[a]?.remotes[second]?.host == b)
        #expect(fleet.agents[b]?.remotes[first]?.vtep == fleet.agents[a]?.vtep)
        #expect(fleet.agents[fleet.names[2]]?.scopes.isEmpty == true)
        fleet.acknowledge(b)
        #expect(fleet.lease(of: second)?.state == .leased, "the owner's word is not the peer's")
        fleet.acknowledge(a)
        #expect(fleet.lease(of: second)?.state == .staged)
        #expect(fleet.agents[b]?.leases[second]?.staged == true)
        #expect(fleet.agents[a]?.scopes[app]?.ranges.allSatisfy { $0.count >= 16 } == true)
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    /// In the turn in which a block is leased one of its peers stops to carry the application, and hears nothing of it.
    @Test func aPeerThatLeavesInTheSameTurnIsNotWaitedFor() throws {
        var configuration = Fleet.seconds
        configuration.decisionInterval = .seconds(4)
        let fleet = try Fleet(configuration, hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let first = try #require(fleet.lease(app, on: a, request: 1))
        let second = try #require(fleet.lease(app, on: b, request: 1))
        fleet.quiesce()
        for sni in first.identifiers { try fleet.bind(sni, of: app, on: a, state: .bound) }
        _ = fleet.command(.reclaim(.identifier(second.first), dryRun: false, reason: "test", force: false))
        // The decision is due when the answer comes.
        fleet.now = fleet.now + .seconds(4)
        fleet.drain(second, on: b)
        let fresh = try #require(fleet.machine.leases().first { $0.block != first && $0.block != second })
        #expect(fleet.agents[b]?.remotes[fresh.block] == nil)
        fleet.quiesce()
        #expect(fleet.lease(of: fresh.block)?.state == .staged)
        #expect(fleet.agents[a]?.leases[fresh.block]?.staged ?? true)
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    /// A host comes back with a lease that the book does not have: it carries the application before it hears of any route.
    @Test func aHostWhoseLeaseIsAdoptedIsWaitedFor() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b, c) = (fleet.names[0], fleet.names[1], fleet.names[2])
        let first = try #require(fleet.lease(app, on: a, request: 1))
        fleet.quiesce()
        fleet.disconnect(c)
        let second = try #require(fleet.lease(app, on: b, request: 1))
        let free = try #require(
            fleet.configuration.pool.first.flatMap {
                SNIBlock(first: SessionNetworkID(unchecked: $0.end - 16), size: 16)
            })
        #expect(free != first && free != second)
        fleet.agents[c]?.leases[free] = LeaseOrder(block: free, application: app, epoch: Epoch(1))
        fleet.connect(c)
        #expect(fleet.lease(of: free)?.host == c && fleet.agents[c]?.remotes[second] != nil)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: second)?.state == .leased, "who carries the application does not route it yet")
        fleet.acknowledge(c)
        #expect(fleet.lease(of: second)?.state == .staged)
    }

    @Test func reservedRangeServesTheNextLaunch() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let key = Command.allocateRange("web", count: 64, confidence: 0.99, idempotencyKey: "k", lifetime: nil)
        guard case .range(let grant) = try fleet.command(key).get() else { return }
        #expect(grant.granted == 64 && grant.reservation.predicted)
        #expect(grant.reservation.expiresIn == .seconds(5000))
        // The same key is the same answer.
        #expect(try fleet.command(key).get() == .range(grant))
        let block = try #require(fleet.lease(app, on: fleet.names[0], request: 1))
        #expect(grant.range.contains(block.range))
        #expect(fleet.agents[fleet.names[0]]?.leases[block]?.fromReserved == true)
        // A reserved identifier that is nobody's lease is in no kernel.
        #expect(fleet.agents[fleet.names[0]]?.scopes[app]?.ranges == [block.range])
    }

    @Test func repeatedRequestIsAnsweredOnce() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let block = fleet.lease(app, on: fleet.names[0], request: 7)
        fleet.disconnect(fleet.names[0])
        fleet.connect(fleet.names[0])
        #expect(fleet.lease(app, on: fleet.names[0], request: 7) == block)
        #expect(try fleet.machine.leases().count == 1)
    }

    @Test func refusalsNameTheirCode() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web", ApplicationPolicy(cap: 16))
        let host = fleet.names[0]
        _ = fleet.lease(app, on: host, request: 1)
        #expect(fleet.lease(app, on: host, request: 2) == nil)
        guard case .refused(let code, _) = fleet.agents[host]?.answers[2] else {
            Issue.record("no refusal")
            return
        }
        #expect(code == "quota")
        let nobody = ApplicationID(UUID128(high: 7, low: 7))
        #expect(fleet.lease(nobody, on: host, request: 3) == nil)
        #expect(fleet.agents[host]?.answers[3].map { "\($0)".contains("unknown-application") } == true)
    }

    @Test func aPeerThatGivesUpTheApplicationInTheSameTurnIsNotWaitedFor() throws {
        let fleet = try Fleet(hosts: 2)
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let old = try #require(fleet.lease(app, on: a, request: 1))
        _ = fleet.command(.reclaim(.identifier(old.first), dryRun: false, reason: "test", force: false))
        _ = try fleet.command(
            .allocateRange("web", count: 16, confidence: 1, idempotencyKey: "", lifetime: nil)
        ).get()
        // Decided at the start of a turn, whose message is the last word about the peer's only block.
        let block = try fleet.machine.lease(app, to: b, order: 4, predicted: true, fromReserved: true)
        fleet.drain(old, on: a)
        fleet.quiesce()
        #expect(fleet.agents[a]?.scopes.isEmpty == true)
        #expect(fleet.lease(of: block)?.state == .staged)
        #expect(fleet.agents[b]?.leases[block]?.staged == true)
    }

    @Test func absentPeerIsWaitedForUntilItIsUnreachable() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        _ = fleet.lease(app, on: a, request: 1)
        fleet.disconnect(a)
        let block = try #require(fleet.lease(app, on: b, request: 1))
        fleet.acknowledge(b)
        fleet.pass(.seconds(10))
        #expect(fleet.lease(of: block)?.state == .leased)
        fleet.aggregate(b, [])
        fleet.pass(.seconds(11))
        #expect(fleet.lease(of: block)?.state == .staged)
        #expect(fleet.machine.hosts(at: fleet.now).first?.state == .unreachable)
        // It comes back to a snapshot.
        fleet.connect(a)
        #expect(fleet.agents[a]?.remotes[block] != nil)
        #expect(fleet.agents[a]?.complaints == [])
    }

    @Test func oldAcknowledgementDoesNotCountForASnapshot() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        _ = fleet.lease(app, on: a, request: 1)
        fleet.quiesce()
        let old = try #require(fleet.agents[a]).position
        fleet.disconnect(a)
        let block = try #require(fleet.lease(app, on: b, request: 1))
        fleet.connect(a)
        fleet.say(.stateAck(old), from: a)
        #expect(fleet.lease(of: block)?.state == .leased)
        fleet.acknowledge(a)
        #expect(fleet.lease(of: block)?.state == .staged)
    }

    @Test func alliesNeedBothPolicies() throws {
        let fleet = try Fleet()
        fleet.start()
        let web = try fleet.application("web")
        let data = try fleet.application("data", ApplicationPolicy(allowed: [web]))
        let (a, b) = (fleet.names[0], fleet.names[1])
        let one = try #require(fleet.lease(web, on: a, request: 1))
        let two = try #require(fleet.lease(data, on: b, request: 1))
        fleet.quiesce()
        #expect(fleet.agents[a]?.scopes.keys.sorted() == [web])
        let update = Command.updateApplication("web", policy: ApplicationPolicy(allowed: [data]), expectedRevision: 0)
        _ = try fleet.command(update).get()
        #expect(fleet.agents[a]?.remotes[two] != nil && fleet.agents[b]?.remotes[one] != nil)
        #expect(fleet.agents[a]?.scopes[web]?.allowed == [data])
        let back = Command.updateApplication("web", policy: ApplicationPolicy(), expectedRevision: 0)
        _ = try fleet.command(back).get()
        #expect(fleet.agents[a]?.remotes[two] == nil && fleet.agents[a]?.scopes.keys.sorted() == [web])
        for agent in fleet.agents.values { #expect(agent.complaints == []) }
    }

    @Test func newVTEPIsToldToPeers() throws {
        let fleet = try Fleet()
        fleet.start()
        let app = try fleet.application("web")
        let (a, b) = (fleet.names[0], fleet.names[1])
        let block = try #require(fleet.lease(app, on: a, request: 1))
        _ = fleet.lease(app, on: b, request: 1)
        fleet.disconnect(a)
        fleet.agents[a]?.vtep = .v4(IPv4Address(0x0A00_00FF))
        fleet.connect(a)
        #expect(fleet.agents[b]?.remotes[block]?.vtep == .v4(IPv4Address(0x0A00_00FF)))
    }
}
