import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct StateTests {
    @Test func acknowledgesAfterJournalAndKernel() {
        var rig = Rig.ready()
        #expect(rig.acknowledgements.last == Rig.position(1))
        rig.submitDelta(2, [Rig.lease(0x1004)])
        #expect(rig.acknowledgements.last == Rig.position(1))
        rig.stepJournal()
        #expect(rig.acknowledgements.last == Rig.position(1))
        rig.stepKernel()
        #expect(rig.acknowledgements.last == Rig.position(2))
        #expect(rig.localBlocks == [Rig.block(0x1000), Rig.block(0x1004)])
    }

    @Test func kernelFailureIsRetriedBeforeAnythingIsAcknowledged() {
        var rig = Rig.ready()
        rig.nextDataplaneFailure = "later"
        rig.delta(2, [Rig.lease(0x1004)])
        rig.delta(3, [Rig.lease(0x1008)])
        #expect(rig.acknowledgements.last == Rig.position(1))
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.acknowledgements.last == Rig.position(3))
    }

    @Test func gapAsksForASnapshot() {
        var rig = Rig.ready()
        rig.delta(5, base: 4, [Rig.lease(0x1004)])
        #expect(rig.reconnects == 1)
        #expect(rig.status?.leases.count == 1)
        rig.delta(6, base: 5, [Rig.lease(0x1004)])
        #expect(rig.status?.leases.count == 1)
        rig.snapshot(6, [Rig.lease(0x1000), Rig.lease(0x1004)])
        #expect(rig.status?.leases.count == 2)
    }

    @Test func positionsBelowThePersistedOneAreRefused() {
        var rig = Rig.ready()
        rig.delta(7, base: 1, [Rig.lease(0x1004)])
        rig.crash()
        rig.settle()
        rig.connect()
        rig.snapshot(6, [])
        #expect(rig.status?.leases.count == 2)
        #expect(rig.notices.contains(.stalePosition(received: Rig.position(6), persisted: Rig.position(7))))
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [])
        rig.feed(.message(Position(generation: 1, term: 0, revision: 99), .stateUpdate(update)))
        rig.settle()
        #expect(rig.status?.leases.count == 2)
        rig.snapshot(7, [Rig.lease(0x1000)])
        #expect(rig.status?.leases.count == 1)
    }

    @Test func staleEpochsChangeNothing() {
        var rig = Rig.ready([Rig.lease(0x1000, epoch: 5)])
        rig.delta(
            2, [Rig.lease(0x1000, epoch: 4, staged: false, marked: true), .removeLease(Rig.block(0x1000), Epoch(4))])
        #expect(rig.status?.leases.first?.lease.epoch == Epoch(5))
        #expect(rig.drainAnswers.isEmpty)
        #expect(rig.notices.count { if case .staleEpoch = $0 { true } else { false } } == 2)
    }

    @Test func remotesFollowSnapshotsAndDeltas() {
        let remote = { (first: UInt32, epoch: UInt64) in
            StateOperation.setRemote(
                RemoteBlock(
                    block: Rig.block(first), application: Rig.appA, epoch: Epoch(epoch),
                    host: HostID("h2").unsafelyKnown, vtep: .v4(IPv4Address(0x0A00_0002))))
        }
        var rig = Rig.ready([Rig.lease(0x1000), remote(0x2000, 3), remote(0x3000, 1)])
        #expect(rig.remoteBlocks == [Rig.block(0x2000), Rig.block(0x3000)])
        rig.delta(2, [.removeRemote(Rig.block(0x2000), Epoch(2)), .removeRemote(Rig.block(0x3000), Epoch(1))])
        #expect(rig.remoteBlocks == [Rig.block(0x2000)])
        rig.delta(3, [remote(0x1000, 9)])
        #expect(rig.notices.contains(.remoteOverlapsLease(Rig.block(0x1000))))
        rig.snapshot(4, [Rig.lease(0x1000)])
        #expect(rig.remoteBlocks.isEmpty)
    }

    @Test func leaseTakenFromUnderItsUsersStaysUntilTheyAreGone() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.delta(2, [.removeLease(Rig.block(0x1000), Epoch(1))])
        #expect(rig.notices.contains(.leaseRemovedInUse(Rig.block(0x1000), users: [Rig.vm(1)])))
        #expect(rig.acknowledgements.last == Rig.position(1))
        #expect(rig.openPorts.count == 1)
        _ = rig.submitAttach(Rig.vm(2), timeout: .seconds(1))
        #expect(rig.leaseRequests.count == 1)
        _ = rig.detach(Rig.vm(1))
        rig.crash()
        rig.settle()
        rig.connect()
        rig.snapshot(3, [])
        #expect(rig.acknowledgements.last == Rig.position(1))
        rig.advance(.seconds(61))
        rig.settle()
        #expect(rig.acknowledgements.last == Rig.position(3))
        #expect(rig.localBlocks.isEmpty && rig.problems.isEmpty)
    }

    /// The VM keeps its identifier alone; the block around it, which is somebody else's now, goes with the VM as well.
    @Test func aBlockTakenFromAroundItsLastUserGoesWithIt() {
        var rig = Rig.ready()
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x1000)
        rig.snapshot(2, [Rig.lease(0x1000, size: 1, epoch: 2)])
        #expect(rig.notices.contains(.leaseRemovedInUse(Rig.block(0x1000), users: [Rig.vm(1)])))
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(61))
        rig.settle()
        #expect(rig.acknowledgements.last == Rig.position(2))
        #expect(rig.localBlocks == [Rig.block(0x1000, 1)])
        rig.snapshot(3, [])
        #expect(rig.acknowledgements.last == Rig.position(3))
        #expect(rig.localBlocks.isEmpty && rig.problems.isEmpty)
    }

    /// The coordinator says once where a block is; it must not be forgotten while an own lease of it is still in use.
    @Test(arguments: [false, true]) func aRemoteBehindAnOrphanIsRoutedOnceThatIsGone(throughCheckpoint: Bool) {
        var rig = Rig(recordsPerCheckpoint: throughCheckpoint ? 1 : 8192)
        rig.start()
        rig.connect()
        rig.snapshot(1, [Rig.lease(0x1000)])
        _ = rig.attach(Rig.vm(1))
        let remote = RemoteBlock(
            block: Rig.block(0x1000), application: Rig.appA, epoch: Epoch(9), host: HostID("h2").unsafelyKnown,
            vtep: .v4(IPv4Address(0x0A00_0002)))
        rig.snapshot(2, [.setRemote(remote)])
        #expect(rig.notices.contains(.remoteOverlapsLease(remote.block)) && rig.remoteBlocks.isEmpty)
        _ = rig.detach(Rig.vm(1))
        if throughCheckpoint {
            rig.crash()
            rig.settle()
            #expect(rig.remoteBlocks.isEmpty)
            rig.connect()
        }
        rig.advance(.seconds(61))
        rig.settle()
        #expect(rig.localBlocks.isEmpty && rig.remoteBlocks == [remote.block])
        // Its removal finds it, however it came there.
        rig.snapshot(3, [])
        #expect(rig.remoteBlocks.isEmpty && rig.problems.isEmpty)
    }

    @Test func foreignGrantIsRefused() {
        var rig = Rig()
        rig.start()
        rig.feed(.connected)
        var other = Rig.identity
        other.boot = BootID(UUID128(high: 9, low: 9))
        rig.feed(.message(Rig.position(1), .bootGrant(Rig.grant(other))))
        rig.settle()
        #expect(rig.overlays.isEmpty && rig.reconnects == 1)
        guard case .notGranted? = rig.attach(Rig.vm(1))?.error else {
            Issue.record("bound under a foreign grant")
            return
        }
    }

    @Test func refusalOutlivesARestart() {
        var rig = Rig.ready()
        rig.feed(.message(Rig.position(1), .bootRefusal(code: "duplicate-host", reason: "cloned disk")))
        rig.settle()
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(1))?.error == .notGranted(reason: "duplicate-host: cloned disk"))
        rig.connect()
        #expect(rig.attach(Rig.vm(1))?.attachment != nil)
    }

    @Test func bindingReportsAreRepeatedUntilAcknowledged() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.attach(Rig.vm(2))
        let last = try #require(
            rig.sent.compactMap { if case .bindingReport(let report) = $0 { report.journalSequence } else { nil } }.last
        )
        rig.feed(.disconnected)
        rig.sent = []
        rig.connect()
        #expect(rig.reportedEvents.map(\.interface) == [Rig.vm(1), Rig.vm(2)])
        rig.feed(.message(Rig.position(1), .reportAck(journalSequence: last, aggregateSequence: 0)))
        _ = rig.attach(Rig.vm(3))
        rig.crash()
        rig.settle()
        rig.sent = []
        rig.connect()
        #expect(rig.reportedEvents.map(\.interface) == [Rig.vm(3)])
    }

    /// A host that nobody hears is taken for dead: without its journal an agent takes nothing in, and speaks.
    @Test func anAgentWithoutItsJournalIsHeard() throws {
        var rig = Rig.ready()
        let failures = { (rig: Rig) in
            rig.sent.compactMap { if case .hostReport(let report) = $0 { report.journalFailure } else { nil } }
        }
        rig.feed(.journalFailed(reason: "disk full"))
        #expect(failures(rig) == ["disk full"])
        rig.feed(.disconnected)
        rig.feed(.connected)
        rig.feed(.message(Rig.position(5), .bootGrant(Rig.grant())))
        #expect(failures(rig).count == 2)
        let before = rig.aggregates.count
        rig.advance(.seconds(10))
        #expect(rig.aggregates.count == before + 1)
        let acknowledged = rig.acknowledgements.count
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [Rig.lease(0x1000), Rig.lease(0x2000)])
        rig.feed(.message(Rig.position(6), .stateUpdate(update)))
        rig.settle()
        #expect(rig.acknowledgements.count == acknowledged && rig.status?.leases.count == 1)
    }
}
