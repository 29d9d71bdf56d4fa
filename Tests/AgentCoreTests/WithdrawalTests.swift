import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct WithdrawalTests {
    static func stop(_ rig: inout Rig, code: String) {
        rig.feed(.message(Rig.position(1), .bindingStop(Rig.grant(rig.identity), code: code, reason: "because")))
        rig.settle()
    }

    static func withdraw(_ rig: inout Rig, _ revision: UInt64) {
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [], withdraw: true)
        rig.feed(.message(Rig.position(revision), .stateUpdate(update)))
        rig.settle()
    }

    // MARK: Stop

    @Test func aStoppedHostBindsNothingAndStaysJoined() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        Self.stop(&rig, code: "frozen")
        #expect(rig.attach(Rig.vm(2))?.error == .notGranted(reason: "frozen: because"))
        #expect(rig.openPorts.count == 1 && rig.reconnects == 0, "running VMs go on")
        // It acknowledges, reports and drains as ever.
        rig.delta(2, [Rig.lease(0x1004)])
        #expect(rig.acknowledgements.last == Rig.position(2))
        _ = rig.detach(Rig.vm(1))
        #expect(rig.reportedEvents.last?.state == .cooling)
        rig.delta(3, [Rig.lease(0x1004, epoch: 2, marked: true)])
        #expect(rig.drainAnswers.last?.outcome == .drained)
        #expect(rig.problems.isEmpty)
    }

    @Test func aStopOutlivesARestartAndEndsWithAGrant() {
        var rig = Rig.ready()
        Self.stop(&rig, code: "frozen")
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(2))?.error == .notGranted(reason: "frozen: because"))
        rig.connect()
        #expect(rig.attach(Rig.vm(2))?.attachment != nil)
    }

    @Test func waitingLaunchesFailAtAStop() {
        var rig = Rig.ready([])
        let waiting = rig.submitAttach(Rig.vm(1), timeout: .seconds(100))
        Self.stop(&rig, code: "frozen")
        #expect(rig.replies[waiting]?.error == .notGranted(reason: "because"))
    }

    @Test func aStopInPlaceOfAGrantStillBringsTheOverlayUp() {
        var rig = Rig()
        rig.start()
        rig.feed(.connected)
        Self.stop(&rig, code: "frozen")
        rig.snapshot(1, [Rig.lease(0x1000)])
        #expect(rig.overlays == [.everything] && rig.localBlocks == [Rig.block(0x1000)])
        #expect(rig.acknowledgements.last == Rig.position(1))
        #expect(rig.attach(Rig.vm(1))?.error == .notGranted(reason: "frozen: because"))
    }

    @Test func aStopForAnotherMachineIsNoStop() {
        var rig = Rig.ready()
        var other = Rig.identity
        other.boot = BootID(UUID128(high: 8, low: 8))
        rig.feed(.message(Rig.position(1), .bindingStop(Rig.grant(other), code: "frozen", reason: "x")))
        rig.settle()
        #expect(rig.reconnects == 1)
        #expect(rig.attach(Rig.vm(1))?.attachment != nil)
    }

    @Test func anOldJournalIsTakenForLost() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        Self.stop(&rig, code: "journal-behind")
        #expect(rig.reconnects == 1)
        #expect(rig.attach(Rig.vm(2))?.error == .recovering)
        rig.feed(.disconnected)
        rig.connect()
        #expect(rig.hellos.last?.recovering == true)
        #expect(rig.openPorts.count == 1 && rig.ports.count == 1, "nothing is deleted")
        rig.snapshot(2, [Rig.lease(0x1000)])
        let resolve = rig.request()
        rig.feed(.resolveRecovery(resolve))
        rig.settle()
        #expect(rig.replies[resolve]?.error == nil && rig.reconnects == 2)
        rig.feed(.disconnected)
        rig.connect()
        #expect(rig.hellos.last?.recovering == false)
    }

    // MARK: Withdrawal

    @Test func everythingGoesBeforeTheAcknowledgement() {
        var rig = Rig.ready([Rig.lease(0x1000), Rig.lease(0x1004, Rig.appB)])
        _ = rig.attach(Rig.vm(1))
        _ = rig.attach(Rig.vm(2), Rig.appB)
        _ = rig.attach(Rig.vm(3))
        _ = rig.detach(Rig.vm(3), hold: .seconds(1000))
        rig.feed(.disconnected)
        rig.feed(.connected)
        Self.stop(&rig, code: "fenced")
        Self.withdraw(&rig, 5)
        #expect(rig.openPorts.isEmpty && rig.ports.isEmpty)
        #expect(rig.acknowledgements.last != Rig.position(5), "they still rest")
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.acknowledgements.last == Rig.position(5))
        #expect(rig.localBlocks.isEmpty && rig.status?.leases.isEmpty == true)
        #expect(rig.status?.bindings.isEmpty == true && rig.problems.isEmpty)
        // Joined afresh.
        rig.feed(.message(Rig.position(6), .bootGrant(Rig.grant())))
        rig.snapshot(6, [Rig.lease(0x2000, epoch: 9)])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x2000)
    }

    @Test func launchesUnderWayAreUndone() {
        var rig = Rig.ready()
        let under = rig.submitAttach(Rig.vm(1))
        rig.stepJournal()
        rig.feed(.disconnected)
        rig.feed(.connected)
        Self.stop(&rig, code: "fenced")
        Self.withdraw(&rig, 5)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.replies[under]?.error == .detachedMeanwhile(Rig.vm(1)) || rig.replies[under]?.attachment != nil)
        #expect(rig.ports.isEmpty && rig.acknowledgements.last == Rig.position(5))
    }

    @Test func aRebootedHostWithdrawsWhatItsJournalSays() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(1000))
        rig.ports = [:]
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        rig.sent = []
        rig.feed(.connected)
        Self.stop(&rig, code: "fenced")
        Self.withdraw(&rig, 5)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.acknowledgements == [Rig.position(5)])
        #expect(rig.status?.leases.isEmpty == true && rig.problems.isEmpty)
    }

    @Test func withdrawalGoesOnAfterACrash() {
        for steps in 0..<8 {
            var rig = Rig.ready()
            _ = rig.attach(Rig.vm(1))
            rig.feed(.disconnected)
            rig.feed(.connected)
            Self.stop(&rig, code: "fenced")
            let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [], withdraw: true)
            rig.feed(.message(Rig.position(5), .stateUpdate(update)))
            for step in 0..<steps { if step % 2 == 0 { rig.stepJournal() } else { rig.stepKernel() } }
            rig.crash()
            rig.settle()
            rig.sent = []
            rig.feed(.connected)
            Self.stop(&rig, code: "fenced")
            Self.withdraw(&rig, 6)
            rig.advance(.seconds(60))
            rig.settle()
            #expect(rig.ports.isEmpty && rig.localBlocks.isEmpty, "after \(steps) steps")
            #expect(rig.acknowledgements.last == Rig.position(6), "after \(steps) steps")
            #expect(rig.problems.isEmpty, "after \(steps) steps: \(rig.problems)")
        }
    }

    @Test func portsWithoutAJournalAreWithdrawnToo() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.settle()
        rig.feed(.connected)
        Self.stop(&rig, code: "fenced")
        #expect(rig.ports.count == 1, "a stop alone deletes nothing")
        Self.withdraw(&rig, 5)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.ports.isEmpty && rig.acknowledgements.last == Rig.position(5))
        #expect(rig.status?.recovering == false)
    }

    // MARK: Endpoints and generations

    static func remote(_ first: UInt32, epoch: UInt64 = 1, vtep: UInt32 = 0x0A00_0002) -> StateOperation {
        .setRemote(
            RemoteBlock(
                block: Rig.block(first), application: Rig.appA, epoch: Epoch(epoch),
                host: HostID("h2").unsafelyKnown, vtep: .v4(IPv4Address(vtep))))
    }

    @Test func aDroppedEndpointHasNoRoutesUntilItIsAdmitted() {
        let vtep = IPAddress.v4(IPv4Address(0x0A00_0002))
        var rig = Rig.ready([
            Rig.lease(0x1000), Self.remote(0x2000), Self.remote(0x3000, vtep: 0x0A00_0003),
        ])
        rig.delta(2, [.dropEndpoint(vtep)])
        #expect(rig.remoteBlocks == [Rig.block(0x3000)])
        rig.delta(3, [Self.remote(0x4000)])
        #expect(rig.remoteBlocks == [Rig.block(0x3000)], "nor new ones")
        rig.crash()
        rig.connect()
        #expect(rig.remoteBlocks == [Rig.block(0x3000)])
        rig.snapshot(
            4, [.dropEndpoint(vtep), Rig.lease(0x1000), Self.remote(0x2000), Self.remote(0x3000, vtep: 0x0A00_0003)])
        rig.delta(5, [.admitEndpoint(vtep)])
        #expect(rig.remoteBlocks == [Rig.block(0x2000), Rig.block(0x3000)])
        rig.delta(6, [.dropEndpoint(vtep)])
        rig.snapshot(7, [Rig.lease(0x1000), Self.remote(0x2000)])
        #expect(rig.remoteBlocks == [Rig.block(0x2000)], "a snapshot without it admits it")
    }

    @Test func aNewGenerationStartsItsEpochsOver() {
        var rig = Rig.ready([Rig.lease(0x1000, epoch: 50), Self.remote(0x2000, epoch: 60)])
        rig.delta(2, [Rig.lease(0x1000, epoch: 51, marked: true)])
        #expect(rig.drainAnswers.count == 1)
        let renewed = { (revision: UInt64) in Position(generation: 2, term: 1, revision: revision) }
        rig.feed(.disconnected)
        rig.feed(.connected)
        rig.feed(.message(renewed(1), .bootGrant(Rig.grant())))
        let update = StateUpdate(
            isSnapshot: true, baseRevision: 0, operations: [Rig.lease(0x1000, epoch: 7), Self.remote(0x2000, epoch: 8)])
        rig.feed(.message(renewed(1), .stateUpdate(update)))
        rig.settle()
        #expect(rig.status?.leases.map(\.lease.epoch) == [Epoch(7)])
        #expect(rig.status?.leases.map(\.drained) == [true], "a promise is not forgotten with its number")
        #expect(rig.acknowledgements.last == renewed(1))
        // What the old generation says is refused.
        rig.delta(9, base: 1, [.removeRemote(Rig.block(0x2000), Epoch(99))])
        #expect(rig.remoteBlocks == [Rig.block(0x2000)])
    }
}
