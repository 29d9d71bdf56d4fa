import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import AgentCore

extension AgentMachine {
    /// What ``pick(for:at:)`` and ``expected(_:)`` keep in order, looked for from scratch; nil when all of it agrees.
    var disagreement: String? {
        let applications = Set(durable.blocksByApplication.keys).union([Rig.appA, Rig.appB])
        for application in applications {
            let (got, expected) = (book.pick(for: application), walk(application))
            if got != expected { return "picks \(got as Any) for \(application), not \(expected as Any)" }
        }
        let offering = durable.leases.values.filter { $0.order.block.size > 1 }
        for lease in offering {
            for sni in lease.order.block.identifiers where book.isOffered(sni) != isAvailable(sni) {
                return "\(sni) is \(isAvailable(sni) ? "" : "not ")available"
            }
        }
        if book.blockCount != offering.count { return "\(book.blockCount) blocks, not \(offering.count)" }
        let brought = durable.leases.values.filter { $0.order.block.size == 1 && $0.order.incoming != nil }
        let known = incoming.values.reduce(0) { $0 + $1.count }
        if known != brought.count { return "\(known) identifiers are brought, not \(brought.count)" }
        for lease in brought {
            guard let interface = lease.order.incoming, incoming[interface]?.contains(lease.order.block) == true else {
                return "nobody brings \(lease.order.block)"
            }
        }
        return deadlineDisagreement
    }

    private func walk(_ application: ApplicationID) -> SessionNetworkID? {
        var best: (rank: UInt8, free: Int, block: SNIBlock, sni: SessionNetworkID)?
        for block in durable.blocksByApplication[application] ?? [] where block.size > 1 {
            guard let lease = durable.leases[block], lease.isBindable else { continue }
            let free = block.identifiers.filter { isAvailable($0) }
            guard let sni = free.min(by: { (durable.used[$0] ?? 0, $0) < (durable.used[$1] ?? 0, $1) }) else {
                continue
            }
            let rank: UInt8 = lease.order.marked ? 2 : lease.order.staged ? 0 : 1
            if let held = best, (held.rank, held.free, held.block) < (rank, free.count, block) { continue }
            best = (rank, free.count, block, sni)
        }
        return best?.sni
    }

    private var deadlineDisagreement: String? {
        let late = launches.filter { $0.value.phase == .waiting }
        if waitingUntil.count != late.count || waitingUntil.next != late.values.map(\.deadline).min() {
            return "waiting until \(waitingUntil.next as Any), launches \(late)"
        }
        if waiting.values.reduce(0, { $0 + $1.count }) != late.count { return "waiting \(waiting), launches \(late)" }
        if let stray = retries.keys.first(where: { releases[$0] == nil }) { return "nothing of \(stray) is retried" }
        var again = 0
        for case .applyAgain in pending.values { again += 1 }
        return again == retriesPending ? nil : "\(retriesPending) retries, not \(again)"
    }
}

/// The order in which identifiers are handed out, where a lease, a port or a migration changes it.
@Suite struct OfferTests {
    /// Both marks wait for an identifier that rests; the others of their blocks are free.
    @Test func markedBlocksGoLastAndForcedOnesNever() throws {
        var rig = Rig.ready()
        #expect(rig.attach(Rig.vm(0))?.attachment?.sni.rawValue == 0x1000)
        _ = rig.detach(Rig.vm(0))
        rig.delta(2, [Rig.lease(0x1000, epoch: 2, marked: true, force: true), Rig.lease(0x1004)])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x1004)
        _ = rig.detach(Rig.vm(1))
        rig.delta(
            3,
            [Rig.lease(0x1004, epoch: 2, marked: true), Rig.lease(0x1008, staged: false), Rig.lease(0x100C)])
        #expect(rig.drainAnswers.isEmpty)
        let order = (10..<21).map { rig.attach(Rig.vm($0), timeout: .zero)?.attachment?.sni.rawValue }
        #expect(order == [0x100C, 0x100D, 0x100E, 0x100F, 0x1008, 0x1009, 0x100A, 0x100B, 0x1005, 0x1006, 0x1007])
        let last = rig.submitAttach(Rig.vm(21))
        rig.settle()
        #expect(rig.replies[last] == nil)
        #expect(rig.problems.isEmpty)
    }

    /// What the journal says of last uses counts after a restart, with and without a checkpoint between.
    @Test(arguments: [3, 8192]) func theLongestUnusedGoesFirstAfterARestart(recordsPerCheckpoint: Int) throws {
        var rig = Rig.ready(recordsPerCheckpoint: recordsPerCheckpoint)
        for number in 0..<4 { #expect(rig.attach(Rig.vm(number))?.attachment != nil) }
        for number in [2, 0, 3, 1] {
            _ = rig.detach(Rig.vm(number))
            rig.advance(.seconds(61))
            rig.settle()
        }
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(rig.machine.disagreement == nil)
        let order = (10..<14).map { rig.attach(Rig.vm($0))?.attachment?.sni.rawValue }
        #expect(order == [0x1002, 0x1000, 0x1003, 0x1001])
    }

    /// An identifier that a smaller overlay has no addresses for is not handed out, and is again by a larger one.
    @Test func anotherOverlayPlanIsFollowed() throws {
        var rig = Rig.ready()
        let standard = try #require(rig.machine.durable.grant)
        var small = standard
        let prefix = IPPrefix.v4(IPv4Address(10 << 24), length: 20)
        small.overlay = try #require(OverlayPlan(ipv4: prefix, ipv6: standard.overlay.ipv6))
        #expect(small.overlay.capacity == 0x1000)
        rig.feed(.message(Rig.position(1), .bootGrant(small)))
        rig.settle()
        #expect(rig.machine.book.pick(for: Rig.appA) == nil)
        #expect(rig.machine.disagreement == nil)
        rig.feed(.message(Rig.position(1), .bootGrant(standard)))
        rig.settle()
        #expect(rig.machine.book.pick(for: Rig.appA) == SessionNetworkID(unchecked: 0x1000))
        #expect(rig.machine.disagreement == nil)
    }
}
