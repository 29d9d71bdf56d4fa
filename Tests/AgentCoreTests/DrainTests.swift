import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct DrainTests {
    static let mark = Rig.lease(0x1000, epoch: 2, marked: true)
    static func answer(_ outcome: DrainAnswer.Outcome) -> DrainAnswer {
        DrainAnswer(block: Rig.block(0x1000), epoch: Epoch(2), outcome: outcome)
    }

    @Test func emptyBlockIsDrainedAfterItsRecord() {
        var rig = Rig.ready()
        rig.submitDelta(2, [Self.mark])
        #expect(rig.drainAnswers.isEmpty)
        rig.settle()
        #expect(rig.drainAnswers == [Self.answer(.drained)])
        let id = rig.submitAttach(Rig.vm(1))
        #expect(rig.replies[id] == nil && rig.leaseRequests.count == 1)
        rig.delta(3, [.removeLease(Rig.block(0x1000), Epoch(2))])
        #expect(rig.localBlocks.isEmpty && rig.acknowledgements.last == Rig.position(3))
        #expect(rig.problems.isEmpty)
    }

    @Test func usersRefuse() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        rig.delta(2, [Self.mark])
        #expect(rig.drainAnswers == [Self.answer(.refused(reason: "in use", users: [Rig.vm(1)]))])
        rig.delta(3, [Rig.lease(0x1000, epoch: 3)])
        #expect(rig.attach(Rig.vm(2))?.attachment != nil)
    }

    @Test func launchUnderWayRefuses() {
        var rig = Rig.ready()
        let id = rig.submitAttach(Rig.vm(1))
        rig.submitDelta(2, [Self.mark])
        rig.settle()
        #expect(rig.replies[id]?.attachment != nil)
        #expect(rig.drainAnswers == [Self.answer(.refused(reason: "in use", users: [Rig.vm(1)]))])
    }

    @Test func coolingDelaysAndALaunchMeanwhileWins() throws {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        _ = rig.detach(Rig.vm(1))
        rig.delta(2, [Self.mark])
        #expect(rig.drainAnswers.isEmpty)
        var patient = rig
        patient.advance(.seconds(61))
        patient.settle()
        #expect(patient.drainAnswers == [Self.answer(.drained)])
        #expect(rig.attach(Rig.vm(2))?.attachment != nil)
        #expect(rig.drainAnswers == [Self.answer(.refused(reason: "a launch came first", users: [Rig.vm(2)]))])
        _ = rig.detach(Rig.vm(2))
        rig.advance(.seconds(61))
        rig.settle()
        #expect(rig.drainAnswers.count == 1)
    }

    @Test func forceWithdrawsAndWaitsForTheCooldown() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        let under = rig.submitAttach(Rig.vm(2))
        rig.submitDelta(2, [Rig.lease(0x1000, epoch: 2, marked: true, force: true)])
        rig.settle()
        #expect(rig.replies[under]?.error == .detachedMeanwhile(Rig.vm(2)))
        #expect(rig.openPorts.isEmpty && rig.ports.isEmpty && rig.drainAnswers.isEmpty)
        rig.advance(.seconds(60))
        rig.settle()
        #expect(rig.drainAnswers == [Self.answer(.drained)])
        #expect(rig.problems.isEmpty)
    }

    @Test func answerIsRepeatedAfterRestartAndReconnect() {
        var rig = Rig.ready()
        rig.submitDelta(2, [Self.mark])
        rig.stepJournal()
        rig.stepJournal()
        rig.crash()
        rig.settle()
        rig.sent = []
        rig.connect()
        rig.snapshot(2, [Self.mark])
        #expect(!rig.drainAnswers.isEmpty && rig.drainAnswers.allSatisfy { $0 == Self.answer(.drained) })
        let id = rig.submitAttach(Rig.vm(1), timeout: .seconds(1))
        rig.settle()
        #expect(rig.replies[id] == nil)
        rig.delta(3, [Rig.lease(0x1000, epoch: 3)])
        #expect(rig.replies[id]?.attachment != nil)
    }

    @Test func drainedAnswerIsNotSentTwiceBeforeItsRecord() {
        var rig = Rig.ready()
        rig.submitDelta(2, [Self.mark])
        rig.submitDelta(3, [Self.mark])
        rig.settle()
        #expect(rig.drainAnswers.allSatisfy { $0 == Self.answer(.drained) })
        #expect(!rig.drainAnswers.isEmpty && rig.problems.isEmpty)
    }
}
