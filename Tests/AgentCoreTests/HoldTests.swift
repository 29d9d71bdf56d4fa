import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct HoldTests {
    static func held(_ rig: Rig) -> [VMInterface] {
        (rig.status?.bindings ?? []).filter { $0.binding.state == .held }.map(\.binding.interface)
    }

    @Test func stoppedVMKeepsItsIdentifierUntilItStartsAgain() throws {
        var rig = Rig.ready()
        let before = try #require(rig.attach(Rig.vm(1))?.attachment)
        #expect(rig.detach(Rig.vm(1), hold: .seconds(3600))?.error == nil)
        #expect(rig.ports.isEmpty && rig.openPorts.isEmpty)
        #expect(Self.held(rig) == [Rig.vm(1)])
        #expect(rig.reportedEvents.last?.state == .held)
        // Others get other identifiers, however long it takes.
        rig.advance(.seconds(600))
        for number in 2...4 { #expect(rig.attach(Rig.vm(number))?.attachment?.sni != before.sni) }
        let after = try #require(rig.attach(Rig.vm(1), port: .later)?.attachment)
        #expect(after.sni == before.sni)
        #expect(Self.held(rig) == [] && rig.problems.isEmpty)
        // Nothing ends any more.
        rig.advance(.seconds(4000))
        rig.settle()
        #expect(rig.status?.bindings.count { $0.binding.state == .bound } == 4)
    }

    @Test func expiryGivesItBackThroughTheCooldown() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.detach(Rig.vm(1), hold: .seconds(100))
        #expect(rig.machine.nextDeadline.map { $0 <= rig.now + .seconds(100) } == true)
        rig.advance(.seconds(99))
        rig.settle()
        #expect(Self.held(rig) == [Rig.vm(1)])
        rig.advance(.seconds(1))
        rig.settle()
        #expect(rig.status?.bindings.map(\.binding.state) == [.cooling])
        #expect(rig.notices.contains(.holdEnded(sni, Rig.vm(1))))
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.status?.bindings.isEmpty == true && rig.problems.isEmpty)
    }

    @Test func heldCountsAsAUserInADrain() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(3600))
        rig.delta(2, [DrainTests.mark])
        #expect(rig.drainAnswers == [DrainTests.answer(.refused(reason: "in use", users: [Rig.vm(1)]))])
    }

    @Test func forceTakesAHeldIdentifierToo() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(3600))
        rig.delta(2, [Rig.lease(0x1000, epoch: 2, marked: true, force: true)])
        #expect(Self.held(rig) == [])
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.drainAnswers == [DrainTests.answer(.drained)])
        #expect(rig.problems.isEmpty)
    }

    @Test(arguments: [8192, 1]) func holdStartsAnewInFull(recordsPerCheckpoint: Int) throws {
        var rig = Rig.ready(recordsPerCheckpoint: recordsPerCheckpoint)
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.detach(Rig.vm(1), hold: .seconds(100))
        rig.advance(.seconds(99))
        rig.crash()
        rig.settle()
        rig.advance(.seconds(99))
        rig.settle()
        #expect(Self.held(rig) == [Rig.vm(1)])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni)
        #expect(rig.problems.isEmpty)
    }

    @Test func holdOutlivesAReboot() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.attach(Rig.vm(2))
        _ = rig.detach(Rig.vm(1), hold: .seconds(100))
        rig.ports = [:]
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        rig.connect()
        #expect(Self.held(rig) == [Rig.vm(1)])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni)
    }

    @Test func detachWithoutAHoldEndsIt() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(100))
        _ = rig.detach(Rig.vm(1))
        #expect(rig.status?.bindings.map(\.binding.state) == [.cooling])
        // Also while the port is still going.
        _ = rig.attach(Rig.vm(2))
        let keep = rig.submitDetach(Rig.vm(2), hold: .seconds(100))
        rig.stepJournal()
        let end = rig.submitDetach(Rig.vm(2))
        rig.settle()
        #expect(rig.replies[keep]?.error == nil && rig.replies[end]?.error == nil)
        #expect(rig.replies[keep] != nil && rig.replies[end] != nil)
        #expect(rig.status?.bindings.map(\.binding.state) == [.cooling, .cooling])
        #expect(rig.problems.isEmpty)
    }

    @Test func attachWhileThePortGoesIsServedAfterIt() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        let again = rig.submitAttach(Rig.vm(1))
        rig.settle()
        #expect(rig.replies[again]?.attachment?.sni == sni)
        #expect(rig.openPorts == [sni] && rig.problems.isEmpty)
    }

    /// A launch that waits for the port of a hold to go is over with the Detach that comes after it.
    @Test(arguments: [nil, Duration.seconds(50)]) func detachEndsALaunchThatWaitsForTheHold(hold: Duration?) throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        let again = rig.submitAttach(Rig.vm(1))
        let end = rig.submitDetach(Rig.vm(1), hold: hold)
        rig.settle()
        #expect(rig.replies[again]?.error == .detachedMeanwhile(Rig.vm(1)))
        #expect(rig.replies[end] != nil && rig.replies[end]?.error == nil)
        #expect(rig.status?.bindings.map(\.binding.state) == [hold == nil ? .cooling : .held])
        rig.advance(.seconds(120))
        rig.settle()
        rig.advance(.seconds(120))
        rig.settle()
        #expect(rig.status?.bindings.isEmpty == true && rig.ports.isEmpty && rig.problems.isEmpty)
    }

    /// The same when an identifier that the interface had before is still on its way out, as after a restart.
    @Test func detachEndsALaunchThatWaitsBesideAnOlderRelease() throws {
        var rig = Rig.ready()
        let first = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        let second = try #require(rig.attach(Rig.vm(2))?.attachment).sni
        for number in 3...4 { _ = rig.attach(Rig.vm(number)) }
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(60))
        rig.settle()
        _ = rig.detach(Rig.vm(2))
        #expect(try #require(rig.attach(Rig.vm(2))?.attachment).sni == first && first < second)
        _ = rig.detach(Rig.vm(2), hold: .seconds(100))
        rig.ports = [:]
        rig.identity.boot = BootID(UUID128(high: 3, low: 3))
        rig.crash()
        rig.settle()
        let again = rig.submitAttach(Rig.vm(2))
        rig.settle()
        #expect(rig.replies[again] == nil)
        _ = rig.detach(Rig.vm(2))
        #expect(rig.replies[again]?.error == .detachedMeanwhile(Rig.vm(2)))
    }

    @Test func anotherApplicationIsRefusedAndNothingIsHeldForNoTime() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        guard case .invalid(parameter: "hold", _)? = rig.detach(Rig.vm(1), hold: .zero)?.error else {
            Issue.record("held for nothing")
            return
        }
        #expect(rig.openPorts == [sni])
        _ = rig.detach(Rig.vm(1), hold: .seconds(100))
        #expect(
            rig.attach(Rig.vm(1), Rig.appB)?.error
                == .duplicateInterface(Rig.vm(1), sni: sni, difference: "application"))
        #expect(Self.held(rig) == [Rig.vm(1)])
    }

    /// A longer hold is a promise of its own.
    @Test func aRenewedHoldIsAnsweredOnceItIsDurable() throws {
        var rig = Rig.ready()
        let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
        _ = rig.detach(Rig.vm(1), hold: .seconds(10))
        let renewal = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        #expect(rig.replies[renewal] == nil, "not on the disk yet")
        rig.settle()
        #expect(rig.replies[renewal] != nil && rig.replies[renewal]?.error == nil)
        rig.crash()
        rig.settle()
        rig.advance(.seconds(99))
        rig.settle()
        #expect(Self.held(rig) == [Rig.vm(1)])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni && rig.problems.isEmpty)
    }

    @Test func aRenewalFailsWithTheJournal() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1), hold: .seconds(10))
        let renewal = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        rig.feed(.journalFailed(reason: "full"))
        #expect(rig.replies[renewal]?.error == .journal(reason: "full"))
    }

    @Test func anEndOfAHoldIsAnsweredOnceItIsDurable() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        let keep = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        rig.stepJournal()
        // While the port is going.
        let end = rig.submitDetach(Rig.vm(1))
        while !rig.kernelQueue.isEmpty { rig.stepKernel() }
        #expect(rig.replies[keep] != nil && rig.replies[end] == nil)
        rig.settle()
        #expect(rig.replies[end] != nil && rig.replies[end]?.error == nil)
        rig.crash()
        rig.settle()
        #expect(Self.held(rig) == [] && rig.problems.isEmpty)
    }

    /// A call that is repeated is answered no sooner than the first one.
    @Test(arguments: [false, true]) func aRepeatedEndOfAHoldWaitsToo(isPortGone: Bool) {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
        rig.stepJournal()
        _ = rig.submitDetach(Rig.vm(1))
        if isPortGone { while !rig.kernelQueue.isEmpty { rig.stepKernel() } }
        let again = rig.submitDetach(Rig.vm(1))
        while !rig.kernelQueue.isEmpty { rig.stepKernel() }
        #expect(rig.replies[again] == nil)
        rig.settle()
        #expect(rig.replies[again] != nil && rig.replies[again]?.error == nil)
        #expect(Self.held(rig) == [] && rig.problems.isEmpty)
    }

    /// The machine dies after every prefix of the steps of a hold and its end.
    @Test func crashAfterEveryStep() throws {
        for steps in 0..<14 {
            var rig = Rig.ready()
            let sni = try #require(rig.attach(Rig.vm(1))?.attachment).sni
            let request = rig.submitDetach(Rig.vm(1), hold: .seconds(100))
            let again = steps > 5 ? rig.submitAttach(Rig.vm(1)) : nil
            for step in 0..<steps { if step % 2 == 0 { rig.stepJournal() } else { rig.stepKernel() } }
            let wasHeld = rig.disk.contains { if case .held = $0.record { true } else { false } }
            rig.crash()
            rig.settle()
            if rig.replies[request] != nil { #expect(wasHeld) }
            if let again, rig.replies[again]?.attachment != nil { #expect(rig.openPorts == [sni]) }
            #expect(rig.attach(Rig.vm(1))?.attachment?.sni == sni, "after \(steps) steps")
            #expect(rig.openPorts == [sni])
            #expect(rig.problems.isEmpty, "after \(steps) steps: \(rig.problems)")
        }
    }
}
