import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

/// What the simulator found first, each in its shortest form.
@Suite struct SimulatedTests {
    /// The disk fills up between a binding and its record: the caller hears of the failure, and asks again.
    @Test func whatNeverReachedTheDiskIsNotAnswered() {
        var rig = Rig.ready()
        let first = rig.submitAttach(Rig.vm(1), port: .later)
        rig.journalQueue = []
        rig.feed(.journalFailed(reason: "full"))
        #expect(rig.replies[first]?.error == .journal(reason: "full"))
        #expect(rig.attach(Rig.vm(1), port: .later)?.error == .journal(reason: "full"))
        #expect(rig.problems.isEmpty)
    }

    /// Two runs of one seed must not differ, also in who hears of a failure first.
    @Test func aFailedJournalIsToldInOneOrder() {
        var rig = Rig.ready()
        let calls = (10..<30).reversed().map { rig.submitAttach(Rig.vm($0), timeout: .seconds(100)) }
        let told = rig.machine.handle(.journalFailed(reason: "full"), at: rig.now).compactMap { effect in
            if case .reply(let request, _) = effect { request } else { nil }
        }
        #expect(told == calls.reversed())
    }

    /// An old copy of a journal grows while it is refused, and must not look like the newest one for that.
    @Test func aJournalBehindStaysBehind() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        let found = rig.lastSequence
        rig.ports = [:]
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        rig.feed(.connected)
        #expect(rig.lastSequence > found)
        #expect(try #require(rig.hellos.last).journalSequence == found)
        rig.feed(.message(Rig.position(9), .bootRefusal(code: "journal-behind", reason: "older than acknowledged")))
        rig.settle()
        rig.crash()
        rig.settle()
        rig.feed(.connected)
        #expect(try #require(rig.hellos.last).journalSequence == 0)
    }

    /// A snapshot may come before there is an overlay: what the journal said at start must not be the last word.
    @Test func anOverlayThatComesLateGetsTheNewestState() {
        let remote = RemoteBlock(
            block: Rig.block(0x2000), application: Rig.appA, epoch: Epoch(1), host: HostID("h2").unsafelyKnown,
            vtep: .v4(IPv4Address(0x0A00_0002)))
        var rig = Rig.ready([Rig.lease(0x1000), .setRemote(remote)])
        #expect(rig.remoteBlocks == [remote.block])
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        rig.feed(.connected)
        rig.snapshot(2, [Rig.lease(0x1000)])
        rig.connect()
        #expect(rig.remoteBlocks.isEmpty && rig.localBlocks == [Rig.block(0x1000)])
        #expect(rig.problems.isEmpty)
    }
}
