import AgentCore
import Dataplane
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct RecoveryTests {
    @Test func restartBindsWithoutTheCoordinator() throws {
        var rig = Rig.ready()
        let before = try #require(rig.attach(Rig.vm(1))?.attachment)
        rig.crash()
        rig.settle()
        #expect(rig.overlays.last == .everything)
        #expect(rig.openPorts == [before.sni])
        #expect(rig.attach(Rig.vm(1))?.attachment == before)
        let next = try #require(rig.attach(Rig.vm(2))?.attachment)
        #expect(next.servedFrom == .staged && next.sni != before.sni)
        #expect(rig.hellos.count == 1 && rig.problems.isEmpty)
    }

    @Test func anotherBootWaitsAndGivesBackWhatTheDeadVMsHeld() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.ports = [:]
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        guard case .notGranted? = rig.attach(Rig.vm(2))?.error else {
            Issue.record("bound in a boot that nobody confirmed")
            return
        }
        rig.connect()
        #expect(rig.status?.leases.first?.cooling == 1)
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x1001)
        rig.snapshot(2, [Rig.lease(0x1000)])
        #expect(rig.acknowledgements.last == Rig.position(2))
    }

    @Test func lostJournalAdoptsAndBindsNothing() throws {
        var rig = Rig.ready()
        let answer = try #require(rig.attach(Rig.vm(1))?.attachment)
        _ = rig.attach(Rig.vm(2))
        rig.crash(journalLost: true)
        rig.settle()
        #expect(rig.ports.count == 2 && rig.overlays.isEmpty == false)
        #expect(rig.attach(Rig.vm(3))?.error == .recovering)
        rig.connect()
        let hello = try #require(rig.hellos.last)
        #expect(hello.recovering && hello.bindings.map(\.interface) == [Rig.vm(1), Rig.vm(2)])
        #expect(rig.overlays.last == .nothing)
        rig.snapshot(2, [Rig.lease(0x1000)])
        #expect(rig.openPorts.count == 2)
        #expect(rig.attach(Rig.vm(3))?.error == .recovering)
        #expect(rig.attach(Rig.vm(1), port: .later)?.attachment?.sni == answer.sni)
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(3))?.error == .recovering)
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000)])
        let resolve = rig.request()
        rig.feed(.resolveRecovery(resolve))
        rig.settle()
        #expect(rig.replies[resolve]?.error == nil)
        let waiting = rig.submitAttach(Rig.vm(3), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[waiting] == nil)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.replies[waiting]?.attachment != nil)
        #expect(rig.ports.count == 3 && rig.problems.isEmpty)
    }

    /// What was in use without a record has no cooldown of its own, so that everything rests, whatever becomes of the
    /// process meanwhile.
    @Test(arguments: [false, true]) func theRestAfterARecoveryOutlivesTheProcess(throughCheckpoint: Bool) throws {
        var rig = Rig(recordsPerCheckpoint: throughCheckpoint ? 1 : 8192)
        rig.start()
        rig.connect()
        rig.snapshot(1, [Rig.lease(0x1000)])
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.connect()
        _ = rig.detach(Rig.vm(1))
        rig.snapshot(2, [Rig.lease(0x1000)])
        let resolve = rig.request()
        rig.feed(.resolveRecovery(resolve))
        rig.settle()
        #expect(rig.replies[resolve]?.error == nil && rig.ports.isEmpty)
        rig.advance(.seconds(59))
        rig.crash()
        rig.settle()
        let waiting = rig.submitAttach(Rig.vm(2), timeout: .seconds(100))
        rig.advance(.seconds(59))
        rig.settle()
        #expect(rig.replies[waiting] == nil, "a cooldown starts anew in full")
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.replies[waiting]?.attachment != nil)
        // Once.
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(3))?.attachment != nil && rig.problems.isEmpty)
    }

    /// A superfluous port has no record; what it spoke from rests all the same.
    @Test func theRestOfAPortWithoutARecordOutlivesTheProcess() {
        var rig = Rig.ready([Rig.lease(0x1000)])
        let stranger = SessionNetworkID(unchecked: 0x1000)
        rig.ports[stranger] = AdoptedPort(
            sni: stranger, index: 99, interface: Rig.vm(77), application: nil, mac: nil)
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(rig.ports.isEmpty)
        rig.crash()
        rig.settle()
        let waiting = rig.submitAttach(Rig.vm(1), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[waiting] == nil)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.replies[waiting]?.attachment != nil && rig.problems.isEmpty)
    }

    /// Where remote blocks are is the coordinator's knowledge: without a journal, too, nothing beyond it may be routed
    /// once the host has said that its kernel is at that position.
    @Test func aRecoveringHostDropsStrayRoutesBeforeItAcknowledges() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.strays = [Rig.block(0x2000)]
        rig.connect()
        #expect(rig.overlays.last == .nothing && !rig.strays.isEmpty, "the traffic of running VMs goes on")
        rig.snapshot(2, [Rig.lease(0x1000)])
        #expect(rig.strays.isEmpty && rig.acknowledgements.last == Rig.position(2))
        #expect(rig.overlays.last == .remoteBlocks && rig.ports.count == 1)
        // Known from the start from now on, also to the next process.
        rig.crash()
        rig.strays = [Rig.block(0x3000)]
        rig.settle()
        #expect(rig.overlays.last == .remoteBlocks && rig.strays.isEmpty && rig.problems.isEmpty)
    }

    @Test func recoveryDoesNotEndWhilePortsHaveNoLease() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.connect()
        rig.snapshot(2, [])
        let resolve = rig.request()
        rig.feed(.resolveRecovery(resolve))
        guard case .invalid(parameter: "ports", _)? = rig.replies[resolve]?.error else {
            Issue.record("recovery ended over a port without a lease")
            return
        }
        _ = rig.detach(Rig.vm(1))
        let again = rig.request()
        rig.feed(.resolveRecovery(again))
        #expect(rig.replies[again]?.error == nil)
    }

    /// A Detach is answered after one attempt; the port must go all the same, and never become a binding again.
    @Test func aDetachedPortWithoutARecordIsRemovedUntilItIsGone() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.crash(journalLost: true)
        rig.nextDeletionFailure = .failed("busy")
        _ = rig.detach(Rig.vm(1))
        #expect(rig.ports.count == 1)
        rig.connect()
        rig.snapshot(2, [Rig.lease(0x1000)])
        #expect(rig.status?.bindings.isEmpty == true, "it was detached")
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.ports.isEmpty && rig.problems.isEmpty)
    }

    @Test func unknownPortsAreLeftUntilTheCoordinatorConfirms() {
        var rig = Rig.ready()
        let stranger = SessionNetworkID(unchecked: 0x1000)
        rig.ports[stranger] = AdoptedPort(
            sni: stranger, index: 99, interface: Rig.vm(77), application: nil, mac: nil)
        rig.crash()
        rig.settle()
        #expect(rig.ports.count == 1)
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x1001)
        rig.connect()
        #expect(rig.ports.keys.map(\.rawValue) == [0x1001])
    }

    @Test func cooldownStartsAnewInFull() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(59))
        rig.crash()
        rig.settle()
        rig.advance(.seconds(59))
        #expect(rig.status?.leases.first?.cooling == 1)
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.status?.leases.first?.cooling == 0)
    }

    /// Dies after every prefix of the steps of a whole life, then comes back from its own journal.
    @Test(arguments: [8192, 3])
    func crashAfterEveryStep(recordsPerCheckpoint: Int) {
        for steps in 0..<60 {
            var rig = Rig.ready(recordsPerCheckpoint: recordsPerCheckpoint)
            var answered: [VMInterface: SessionNetworkID] = [:]
            var left = steps
            let run = { (rig: inout Rig) in
                while left > 0, !(rig.journalQueue.isEmpty && rig.kernelQueue.isEmpty) {
                    left -= 1
                    if !rig.journalQueue.isEmpty, left % 3 != 0 || rig.kernelQueue.isEmpty {
                        rig.stepJournal()
                    } else {
                        rig.stepKernel()
                    }
                }
            }
            var calls: [(VMInterface, RequestID)] = []
            for number in 0..<3 {
                calls.append((Rig.vm(number), rig.submitAttach(Rig.vm(number))))
                run(&rig)
            }
            var gone: Set<VMInterface> = []
            if left > 0 {
                _ = rig.submitDetach(Rig.vm(0))
                gone.insert(Rig.vm(0))
                run(&rig)
            }
            rig.submitDelta(2, [Rig.lease(0x1004, epoch: 1), Rig.lease(0x1000, epoch: 2, marked: true)])
            run(&rig)
            for (interface, id) in calls where !gone.contains(interface) {
                answered[interface] = rig.replies[id]?.attachment?.sni
            }
            rig.crash()
            rig.settle()
            for (interface, sni) in answered {
                #expect(rig.attach(interface)?.attachment?.sni == sni, "\(interface) after \(steps) steps")
            }
            let bound = rig.status?.bindings.filter { $0.binding.state == .bound }.map(\.binding.interface) ?? []
            #expect(Set(bound).count == bound.count)
            #expect(rig.problems.isEmpty, "after \(steps) steps: \(rig.problems)")
        }
    }

    /// A book that was restored from a backup cannot tell an old copy of a journal from the newest: what was given back
    /// since the copy may not have rested.
    @Test(arguments: [false, true]) func underARestoredBookEverythingRestsOnce(isStoppedFirst: Bool) throws {
        var rig = Rig.ready()
        rig.connect()
        let copy = rig.disk
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1))
        rig.disk = copy
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        let renewed = { (revision: UInt64) in Position(generation: 2, term: 1, revision: revision) }
        rig.feed(.connected)
        if isStoppedFirst {
            let stop = CoordinatorMessage.bindingStop(Rig.grant(rig.identity), code: "restoring", reason: "restoring")
            rig.feed(.message(renewed(1), stop))
            rig.settle()
            rig.advance(.seconds(30))
        }
        rig.feed(.message(renewed(1), .bootGrant(Rig.grant(rig.identity))))
        rig.settle()
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [Rig.lease(0x1000)])
        rig.feed(.message(renewed(2), .stateUpdate(update)))
        rig.settle()
        let early = rig.submitAttach(Rig.vm(2), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[early] == nil)
        // The rest outlives the process that began it.
        rig.crash()
        rig.settle()
        rig.advance(.seconds(59))
        let again = rig.submitAttach(Rig.vm(2), timeout: .seconds(100))
        rig.settle()
        #expect(rig.replies[again] == nil)
        rig.advance(.seconds(1))
        rig.settle()
        #expect(try rig.replies[again]?.get() != nil)
        // Known to the book now: the next process binds at once.
        rig.advance(.seconds(10))
        rig.settle()
        rig.crash()
        rig.settle()
        #expect(rig.attach(Rig.vm(3))?.attachment != nil)
        #expect(rig.problems.isEmpty)
    }

    /// Whom the book knew before it was lost, by its process, has nothing to rest for; nor has a new installation.
    @Test func aProcessThatWasJoinedBeforeGoesOnUnderARestoredBook() throws {
        var rig = Rig.ready()
        rig.feed(.disconnected)
        rig.feed(.connected)
        rig.feed(.message(Position(generation: 2, term: 1, revision: 1), .bootGrant(Rig.grant())))
        rig.settle()
        #expect(rig.attach(Rig.vm(1))?.attachment != nil)
        var fresh = Rig()
        fresh.start()
        fresh.feed(.connected)
        fresh.feed(.message(Position(generation: 2, term: 1, revision: 1), .bootGrant(Rig.grant())))
        fresh.settle()
        let update = StateUpdate(isSnapshot: true, baseRevision: 0, operations: [Rig.lease(0x1000)])
        fresh.feed(.message(Position(generation: 2, term: 1, revision: 2), .stateUpdate(update)))
        fresh.settle()
        #expect(fresh.attach(Rig.vm(1))?.attachment != nil)
    }
}
