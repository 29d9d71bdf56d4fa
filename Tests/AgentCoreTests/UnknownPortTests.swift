import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

/// Ports that no journal knows, and what may not be done about them.
@Suite struct UnknownPortTests {
    /// Its VM spoke until the port went: the identifier rests like any other.
    @Test func theIdentifierOfAnUnknownPortRests() {
        var rig = Rig.ready()
        let stranger = SessionNetworkID(unchecked: 0x1000)
        rig.ports[stranger] = AdoptedPort(sni: stranger, index: 99, interface: Rig.vm(77), application: nil, mac: nil)
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(rig.ports.isEmpty, "the coordinator has confirmed the journal")
        let waiting = (1...4).map { rig.submitAttach(Rig.vm($0), timeout: .seconds(100)) }
        rig.settle()
        #expect(waiting.compactMap { rig.replies[$0]?.attachment?.sni.rawValue } == [0x1001, 0x1002, 0x1003])
        rig.advance(.seconds(59))
        rig.settle()
        #expect(rig.replies[waiting[3]] == nil)
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.replies[waiting[3]]?.attachment?.sni == stranger)
        #expect(rig.problems.isEmpty)
    }

    /// Its identifier may come back at once, with the VM that migrates here; its rest must not end that binding.
    @Test func aRestOutlivedByAnArrivalEndsNothing() throws {
        var rig = MigrationTests.destination()
        let sni = MigrationTests.sni
        rig.ports[sni] = AdoptedPort(sni: sni, index: 99, interface: Rig.vm(77), application: nil, mac: nil)
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(rig.ports.isEmpty, "the coordinator has confirmed the journal")
        // No rest within this lease: the identifier is that of the VM, wherever it ran.
        rig.freedAt[sni] = nil
        #expect(rig.attach(Rig.vm(7))?.attachment?.sni == sni)
        rig.advance(.seconds(61))
        rig.settle()
        #expect(rig.binding(on: rig.disk, of: sni) == Rig.vm(7))
        #expect(rig.attach(Rig.vm(7))?.attachment?.sni == sni)
        #expect(rig.problems.isEmpty)
    }

    /// A VM that migrates here keeps its address, also when a port that nobody wrote down has its identifier still: the
    /// launch waits for the removal, and others don't wait behind it.
    @Test func anArrivalWaitsForItsIdentifier() throws {
        var rig = MigrationTests.destination()
        let sni = MigrationTests.sni
        rig.ports[sni] = AdoptedPort(sni: sni, index: 99, interface: Rig.vm(77), application: nil, mac: nil)
        rig.crash()
        rig.settle()
        let arrival = rig.submitAttach(Rig.vm(7), timeout: .seconds(50))
        rig.settle()
        #expect(rig.replies[arrival] == nil, "\(String(describing: rig.replies[arrival]))")
        let (asked, misses) = (rig.sent.count { if case .leaseRequest = $0 { true } else { false } }, 4)
        for number in 1...misses { #expect(rig.attach(Rig.vm(number))?.attachment?.sni != nil) }
        let late = rig.submitAttach(Rig.vm(9), timeout: .seconds(50))
        rig.connect()
        #expect(rig.ports.keys.contains(sni), "the VM's own port")
        #expect(rig.replies[arrival]?.attachment?.sni == sni)
        #expect(asked == 0, "no block is missing for it")
        rig.snapshot(3, [Rig.lease(0x1000), Rig.lease(0x1010), MigrationTests.incoming(Rig.vm(7))])
        rig.settle()
        #expect(rig.replies[late]?.attachment != nil)
        // No rest within this lease, as above: this is all that the rig may find.
        #expect(rig.problems == ["\(sni.rawValue) bound before its cooldown"])
    }

    /// The end of a recovery is a record; without a disk to write it to there is none.
    @Test func noRecoveryIsResolvedWithoutAJournal() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.settle()
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000)])
        rig.feed(.journalFailed(reason: "full"))
        let overlays = rig.overlays
        let resolve = rig.request()
        rig.feed(.resolveRecovery(resolve))
        rig.settle()
        #expect(rig.replies[resolve]?.error == .journal(reason: "full"))
        #expect(rig.overlays == overlays, "nothing is deleted")
        // The next process is still recovering.
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(2))?.error == .recovering)
        #expect(rig.problems.isEmpty)
    }
}
