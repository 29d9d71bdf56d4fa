import AgentCore
import FleetProtocol
import NetworkTypes
import Testing

@Suite struct LaunchTests {
    @Test func stagedLaunchAsksNobody() throws {
        var rig = Rig.ready()
        rig.sent = []
        let answer = try #require(rig.attach(Rig.vm(1))?.attachment)
        #expect(answer.servedFrom == .staged)
        #expect(answer.sni.rawValue == 0x1000)
        #expect(answer.ipv4.description == "10.0.16.0")
        #expect(answer.ipv6.description == "fd53:4e49:5349:10::1")
        #expect(answer.gateway4.description == "169.254.1.1")
        #expect(answer.gateway6.description == "fe80::1")
        #expect(answer.mac.description == "06:4f:52:00:10:00")
        #expect(answer.mtu == 1450)
        #expect(answer.port == "sni001000")
        #expect(rig.leaseRequests.isEmpty)
        #expect(rig.reportedEvents.map(\.state) == [.bound])
        #expect(rig.openPorts == [answer.sni])
        #expect(rig.problems.isEmpty)
    }

    @Test func nothingIsAnsweredBeforeJournalAndKernel() {
        var rig = Rig.ready()
        let id = rig.submitAttach(Rig.vm(1))
        #expect(rig.kernelQueue.isEmpty)
        rig.stepJournal()
        #expect(rig.kernelQueue.count == 1 && rig.replies[id] == nil)
        rig.stepKernel()
        #expect(rig.replies[id] == nil)
        rig.stepKernel()
        #expect(rig.replies[id]?.attachment != nil)
    }

    @Test func sameCallSameAnswerOtherParametersError() throws {
        var rig = Rig.ready()
        let first = try #require(rig.attach(Rig.vm(1))?.attachment)
        #expect(rig.attach(Rig.vm(1))?.attachment == first)
        #expect(rig.attach(Rig.vm(1), mac: first.mac)?.attachment == first)
        let cases: [(Result<AgentReply, AgentError>?, String)] = [
            (rig.attach(Rig.vm(1), Rig.appB), "application"),
            (rig.attach(Rig.vm(1), mac: MACAddress(0x0200_0000_0001)), "mac"),
            (rig.attach(Rig.vm(1), port: .later), "port"),
        ]
        for (reply, difference) in cases {
            #expect(reply?.error == .duplicateInterface(Rig.vm(1), sni: first.sni, difference: difference))
        }
        #expect(rig.ports.count == 1)
    }

    @Test func concurrentIdenticalCallsShareOneLaunch() {
        var rig = Rig.ready()
        let first = rig.submitAttach(Rig.vm(1))
        let second = rig.submitAttach(Rig.vm(1))
        let other = rig.submitAttach(Rig.vm(1), Rig.appB)
        rig.settle()
        #expect(rig.replies[first]?.attachment != nil)
        #expect(rig.replies[first] == rig.replies[second])
        #expect(rig.replies[other]?.error != nil)
        #expect(rig.ports.count == 1)
    }

    @Test func manyAtOnceGetOneIdentifierEach() {
        var rig = Rig.ready([Rig.lease(0x1000, size: 64)])
        let ids = (0..<64).map { rig.submitAttach(Rig.vm($0)) }
        rig.settle()
        let identifiers = ids.compactMap { rig.replies[$0]?.attachment?.sni }
        #expect(Set(identifiers).count == 64)
        #expect(rig.problems.isEmpty)
    }

    @Test func stagedBlockBeforeLeased() {
        var rig = Rig.ready([
            Rig.lease(0x1000, epoch: 2, marked: false), Rig.lease(0x1004, staged: false),
        ])
        rig.submitDelta(2, [Rig.lease(0x1008, epoch: 1)])
        rig.settle()
        let order = (0..<12).compactMap { rig.attach(Rig.vm($0))?.attachment }
        #expect(order.prefix(8).allSatisfy { $0.servedFrom == .staged })
        #expect(order.suffix(4).allSatisfy { $0.servedFrom == .leased && $0.sni.rawValue & ~3 == 0x1004 })
    }

    @Test func longestUnusedIdentifierFirst() throws {
        var rig = Rig.ready()
        let first = try #require(rig.attach(Rig.vm(1))?.attachment)
        _ = rig.detach(Rig.vm(1))
        rig.advance(.seconds(61))
        rig.settle()
        let next = (2...5).compactMap { rig.attach(Rig.vm($0))?.attachment?.sni.rawValue }
        #expect(next == [0x1001, 0x1002, 0x1003, first.sni.rawValue])
    }

    @Test(arguments: [(true, ServedFrom.reserved), (false, .cold)])
    func waitingLaunchIsServedByTheBlockThatComes(fromReserved: Bool, served: ServedFrom) throws {
        var rig = Rig.ready([])
        let ids = (0..<3).map { rig.submitAttach(Rig.vm($0)) }
        #expect(rig.leaseRequests.count == 1)
        let request = try #require(rig.leaseRequests.first)
        rig.delta(2, base: 1, [Rig.lease(0x1000, staged: false, fromReserved: fromReserved)])
        #expect(ids.allSatisfy { rig.replies[$0]?.attachment?.servedFrom == served })
        let answer = LeaseAnswer(request: request.request, outcome: .granted(Rig.block(0x1000)))
        rig.feed(.message(Rig.position(2), .leaseAnswer(answer)))
        #expect(rig.attach(Rig.vm(9))?.attachment?.servedFrom == .leased)
        #expect(rig.leaseRequests.count == 1)
    }

    @Test func refusalsBecomeTypedErrors() throws {
        let cases: [(String, AgentError)] = [
            ("unknown-application", .unknownApplication(Rig.appA)), ("deleting", .applicationDeleting(Rig.appA)),
            ("exhausted", .noIdentifiers(code: "exhausted", detail: "d")),
            ("quota", .noIdentifiers(code: "quota", detail: "d")),
        ]
        for (code, error) in cases {
            var rig = Rig.ready([])
            let id = rig.submitAttach(Rig.vm(1))
            let request = try #require(rig.leaseRequests.first).request
            let answer = LeaseAnswer(request: request, outcome: .refused(code: code, detail: "d"))
            rig.feed(.message(Rig.position(1), .leaseAnswer(answer)))
            #expect(rig.replies[id]?.error == error)
            #expect(rig.status?.waitingLaunches == 0)
        }
    }

    @Test func waitEndsAtItsDeadline() throws {
        var rig = Rig.ready([])
        let short = rig.submitAttach(Rig.vm(1), timeout: .milliseconds(500))
        let standard = rig.submitAttach(Rig.vm(2))
        #expect(rig.machine.nextDeadline == rig.now + .milliseconds(500))
        rig.advance(.milliseconds(499))
        #expect(rig.replies[short] == nil)
        rig.advance(.milliseconds(1))
        #expect(rig.replies[short]?.error == .timedOut(waited: .milliseconds(500), connected: true))
        rig.feed(.disconnected)
        rig.advance(.seconds(5))
        #expect(rig.replies[standard]?.error == .timedOut(waited: .milliseconds(5500), connected: false))
    }

    @Test func askIsRepeatedWithItsNameAfterReconnect() throws {
        var rig = Rig.ready([])
        _ = rig.submitAttach(Rig.vm(1))
        let first = try #require(rig.leaseRequests.first)
        rig.feed(.disconnected)
        rig.connect()
        #expect(rig.leaseRequests.map(\.request) == [first.request, first.request])
    }

    @Test func failedPortGivesTheIdentifierBack() throws {
        var rig = Rig.ready()
        rig.nextPortFailure = .noSuchNamespace("/run/netns/none")
        #expect(rig.attach(Rig.vm(1))?.error == .port(.noSuchNamespace("/run/netns/none")))
        let status = try #require(rig.status)
        #expect(status.leases.first?.bound == 0 && status.leases.first?.cooling == 1)
        #expect(rig.ports.isEmpty && rig.openPorts.isEmpty)
        #expect(rig.reportedEvents.map(\.state) == [.bound, .cooling])
        #expect(rig.attach(Rig.vm(1))?.attachment?.sni.rawValue == 0x1001)
    }

    @Test func failedDataplaneUndoesTheLaunch() {
        var rig = Rig.ready()
        let id = rig.submitAttach(Rig.vm(1))
        rig.stepJournal()
        rig.stepKernel()
        rig.nextDataplaneFailure = "no"
        rig.settle()
        #expect(rig.replies[id]?.error == .dataplane(reason: "no"))
        #expect(rig.ports.isEmpty)
        #expect(rig.problems.isEmpty)
    }

    @Test func laterPortIsPlugged() throws {
        var rig = Rig.ready()
        let answer = try #require(rig.attach(Rig.vm(1), port: .later)?.attachment)
        #expect(rig.ports.isEmpty)
        let plug = PlugRequest(interface: Rig.vm(1), port: "vnet0")
        let failing = rig.request()
        rig.nextPortFailure = .noSuchPort("vnet0")
        rig.feed(.plug(failing, plug))
        rig.settle()
        #expect(rig.replies[failing]?.error == .port(.noSuchPort("vnet0")))
        let id = rig.request()
        rig.feed(.plug(id, plug))
        rig.settle()
        #expect(rig.replies[id]?.attachment == answer)
        #expect(rig.openPorts == [answer.sni])
        let stranger = rig.request()
        rig.feed(.plug(stranger, PlugRequest(interface: Rig.vm(2), port: "vnet1")))
        #expect(rig.replies[stranger]?.error == .noSuchBinding(Rig.vm(2)))
        _ = rig.detach(Rig.vm(1))
        #expect(rig.ports.isEmpty && rig.problems.isEmpty)
    }

    @Test func detachAlwaysSucceeds() {
        var rig = Rig.ready()
        #expect(rig.detach(Rig.vm(1)) == .success(.detached))
        _ = rig.attach(Rig.vm(1))
        #expect(rig.detach(Rig.vm(1)) == .success(.detached))
        #expect(rig.detach(Rig.vm(1)) == .success(.detached))
        #expect(rig.ports.isEmpty && rig.openPorts.isEmpty)
    }

    @Test func detachDuringEveryStepOfALaunch() {
        for steps in 0...3 {
            var rig = Rig.ready()
            let launch = rig.submitAttach(Rig.vm(1))
            for step in 0..<steps { step == 0 ? rig.stepJournal() : rig.stepKernel() }
            let detach = rig.submitDetach(Rig.vm(1))
            rig.settle()
            #expect(rig.replies[detach] == .success(.detached), "after \(steps) steps")
            #expect(rig.replies[launch] != nil)
            #expect(rig.ports.isEmpty && rig.openPorts.isEmpty)
            #expect(rig.problems.isEmpty)
        }
    }

    @Test func attachDuringDetachWaitsForIt() {
        var rig = Rig.ready()
        _ = rig.attach(Rig.vm(1))
        let detach = rig.submitDetach(Rig.vm(1))
        let attach = rig.submitAttach(Rig.vm(1))
        rig.settle()
        #expect(rig.replies[detach] == .success(.detached))
        #expect(rig.replies[attach]?.attachment?.sni.rawValue == 0x1001)
        #expect(rig.problems.isEmpty)
    }

    @Test func journalFailureStopsBindingAndNothingElse() throws {
        var rig = Rig.ready()
        let answer = try #require(rig.attach(Rig.vm(1))?.attachment)
        let pending = rig.submitAttach(Rig.vm(2))
        rig.feed(.journalFailed(reason: "disk full"))
        #expect(rig.replies[pending]?.error == .journal(reason: "disk full"))
        #expect(rig.attach(Rig.vm(3))?.error == .journal(reason: "disk full"))
        #expect(rig.attach(Rig.vm(1))?.attachment == answer)
        #expect(rig.openPorts == [answer.sni])
    }

    @Test func noGrantNoBinding() {
        var rig = Rig()
        rig.start()
        guard case .notGranted? = rig.attach(Rig.vm(1))?.error else {
            Issue.record("bound without a grant")
            return
        }
    }

    /// How long a word of the coordinator was under way nobody knows: silence counts from what it is known to have heard.
    @Test func aLateWordDoesNotProlongTheRightToBind() throws {
        var rig = Rig.ready()
        rig.advance(.seconds(3599))
        let batch = try #require(rig.aggregates.last)
        rig.delta(2, [])
        rig.advance(.seconds(2))
        guard case .bindingsSuspended? = rig.attach(Rig.vm(1))?.error else {
            Issue.record("a word without an answer in it counted")
            return
        }
        let held = rig.status?.silentFor
        rig.feed(.message(Rig.position(2), .reportAck(journalSequence: 0, aggregateSequence: batch.sequence)))
        rig.settle()
        #expect(rig.status?.silentFor == rig.now - batch.endedAt && rig.status?.silentFor != held)
        #expect(rig.attach(Rig.vm(1))?.attachment != nil)
        // An answer to an older question takes nothing back, and a restart keeps it.
        rig.feed(.message(Rig.position(2), .reportAck(journalSequence: 0, aggregateSequence: 1)))
        rig.crash()
        rig.settle()
        #expect(rig.status?.silentFor == rig.now - batch.endedAt)
    }

    @Test func longSilenceEndsBindingsNotVMs() throws {
        var rig = Rig.ready()
        let answer = try #require(rig.attach(Rig.vm(1))?.attachment)
        rig.feed(.disconnected)
        rig.advance(.seconds(3600))
        #expect(rig.attach(Rig.vm(2))?.attachment != nil)
        rig.advance(.seconds(1))
        #expect(rig.attach(Rig.vm(3))?.error == .bindingsSuspended(silentFor: .seconds(3601)))
        #expect(rig.openPorts.contains(answer.sni))
        rig.crash()
        rig.settle()
        guard case .bindingsSuspended? = rig.attach(Rig.vm(3))?.error else {
            Issue.record("a restart made the silence shorter")
            return
        }
    }
}
