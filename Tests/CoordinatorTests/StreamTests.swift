import ControlAPI
import FleetMapping
import ControlAPIMapping
import CoordinatorCore
import DaemonSupport
import FleetProtocol
import GRPCCore
import NetworkTypes
import SwiftProtobuf
import Testing

@testable import Coordinator

/// A scripted agent on a real stream.
@Suite struct StreamTests {
    /// A watch tells what is, then what was learnt since; a coordinator that stops ends it.
    @Test func profilesAreWatchedAndExplained() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let profiler = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
            let made = try await sessions.createApplication(.with { $0.name = "web" })
            let application = try #require(ApplicationID(made.id))
            let nobody = await refusal {
                try await profiler.watchScalingProfiles(.with { $0.application = "nobody" }) { response in
                    for try await _ in response.messages {}
                }
            }
            #expect(nobody == "notFound unknown-application")
            try await ScriptedAgent.connect(client) { agent in
                agent.send(ScriptedAgent.hello())
                _ = try await agent.wait { if case .bootGrant(let grant) = $0 { grant } else { nil } }
                let seen = try await profiler.watchScalingProfiles(.with { $0.application = "web" }) { response in
                    var seen: [UInt64] = []
                    for try await profile in response.messages {
                        seen.append(profile.samples)
                        #expect(profile.application == made.id && profile.current == 3 * UInt32(profile.samples))
                        if seen.count == 3 { break }
                        let part = ApplicationAggregate(
                            application: application, vms: 3 * seen.count, peakVMs: 9, cooling: 0, launches: 3,
                            stops: 0,
                            misses: 0, waited: .zero, traffic: nil)
                        agent.send(
                            .aggregates(
                                Aggregates(
                                    sequence: UInt64(seen.count), interval: .milliseconds(100),
                                    endedAt: Instant(nanoseconds: 1), applications: [part])))
                    }
                    return seen
                }
                #expect(seen == [0, 1, 2])
                let told = try await profiler.explainForecast(.with { $0.application = "web" })
                #expect(told.application == made.id && told.samples == 2 && told.state == .cold)
                #expect(!told.leads.isEmpty && told.leads.allSatisfy { $0.experts.count == 5 && $0.loss < 0 })
                #expect(told.indicators.isEmpty && !told.hasLastShiftAgeMs && !told.usesBaseline)
            }
        }
    }

    /// Where an interval is a tick of the rule, one sample is enough for its first word.
    @Test func theRuleOfMarginalValueIsExplained() async throws {
        let directory = try TemporaryDirectory()
        var settings = try testSettings(directory.path)
        (settings.aggregateInterval, settings.unreachableAfter) = (.seconds(300), .seconds(600))
        try await withCoordinator(settings) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let allocator = Outrider_V1_PredictiveAllocator.Client(wrapping: client)
            let made = try await sessions.createApplication(
                .with {
                    $0.name = "web"
                    $0.policy.costRatio = 7
                })
            let application = try #require(ApplicationID(made.id))
            let refused = await refusal {
                _ = try await sessions.createApplication(
                    .with {
                        $0.name = "other"
                        $0.policy.costRatio = -1
                    })
            }
            #expect(made.policy.costRatio == 7 && refused == "invalidArgument invalid")
            let silent = try await allocator.explainDecision(.with { $0.application = "web" })
            #expect(!silent.hasMarginal && silent.costRatio == 7)
            try await ScriptedAgent.connect(client) { agent in
                agent.send(ScriptedAgent.hello())
                _ = try await agent.wait { if case .bootGrant(let grant) = $0 { grant } else { nil } }
                let profiler = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
                try await profiler.watchScalingProfiles(.with { $0.application = "web" }) { response in
                    for try await profile in response.messages {
                        guard profile.samples == 0 else { break }
                        let part = ApplicationAggregate(
                            application: application, vms: 3, peakVMs: 4, cooling: 0, launches: 1, stops: 1, misses: 0,
                            waited: .zero, traffic: nil)
                        agent.send(
                            .aggregates(
                                Aggregates(
                                    sequence: 1, interval: .seconds(300), endedAt: Instant(nanoseconds: 1),
                                    applications: [part])))
                    }
                }
                let told = try await allocator.explainDecision(.with { $0.application = "web" })
                #expect(told.hasMarginal && told.marginal.inUse == 3 && told.marginal.target >= 3)
                #expect(told.marginal.price > 0 && told.marginal.divisor == 1 && told.marginal.floorMax == 64)
            }
        }
    }

    @Test func agentGetsGrantSnapshotAndALeaseOnDemand() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let fleet = Outrider_V1_Fleet.Client(wrapping: client)
            let made = try await sessions.createApplication(.with { $0.name = "web" })
            let application = try #require(ApplicationID(made.id))
            try await ScriptedAgent.connect(client) { agent in
                agent.send(ScriptedAgent.hello())
                let grant = try await agent.wait { if case .bootGrant(let grant) = $0 { grant } else { nil } }
                #expect(grant.identity == ScriptedAgent.identity && grant.overlayMTU == 1450 && grant.vxlanPort == 4789)
                let first = try await agent.wait { if case .stateUpdate(let update) = $0 { update } else { nil } }
                #expect(first.isSnapshot && first.operations.isEmpty)
                agent.send(.leaseRequest(LeaseRequest(request: 7, application: application, waiting: 1)))
                let order = try await agent.lease()
                #expect(order.application == application && order.block.size == 16)
                let answer = try await agent.wait { if case .leaseAnswer(let answer) = $0 { answer } else { nil } }
                #expect(answer == LeaseAnswer(request: 7, outcome: .granted(order.block)))
                let interface = try #require(VMInterface(vm: "vm-1", nic: 0))
                agent.send(
                    .bindingReport(
                        BindingReport(
                            journalSequence: 2,
                            events: [
                                BindingRecord(
                                    sni: order.block.first, interface: interface, application: application,
                                    state: .bound, servedFrom: .cold, epoch: order.epoch)
                            ])))
                _ = try await agent.wait { answer -> Bool? in
                    guard case .reportAck(let journal, _) = answer, journal == 2 else { return nil }
                    return true
                }
                let machines = try await sessions.listVirtualMachines(.with { $0.application = "web" })
                #expect(machines.virtualMachines.map(\.vm) == ["vm-1"])
                #expect(machines.virtualMachines.map(\.sni) == [order.block.first.rawValue])
                let hosts = try await fleet.listHosts(.init()).hosts
                #expect(hosts.map(\.id) == ["node-1"] && hosts[0].state == .connected && hosts[0].bound == 1)
                #expect(try await fleet.getStatus(.init()).launches.cold == 1)
            }
            let leases = try await Outrider_V1_NetworkManager.Client(wrapping: client).listLeases(
                .with { $0.host = "node-1" })
            #expect(leases.leases.contains { $0.bound == 1 }, "a stream that ended takes no lease away")
        }
    }

    @Test func messageThatIsNoValueEndsTheStreamAndNothingElse() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let fleet = Outrider_V1_Fleet.Client(wrapping: client)
            let ended = await refusal {
                try await fleet.connect { writer in
                    try await writer.write(.with { $0.host = "Not A Host" })
                } onResponse: { response in
                    for try await _ in response.messages {}
                }
            }
            #expect(ended == "invalidArgument invalid")
            let hosts = try await fleet.listHosts(.init()).hosts
            #expect(hosts.isEmpty)
        }
    }

    @Test func secondBootOfALiveHostIsRefused() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            try await ScriptedAgent.connect(client) { agent in
                agent.send(ScriptedAgent.hello())
                _ = try await agent.wait { if case .bootGrant(let grant) = $0 { grant } else { nil } }
                let other = AgentIdentity(
                    host: ScriptedAgent.identity.host, incarnation: ScriptedAgent.identity.incarnation,
                    boot: BootID(UUID128(high: 3, low: 3)))
                let fleet = Outrider_V1_Fleet.Client(wrapping: client)
                let refused = RefusalBox()
                _ = await refusal {
                    try await fleet.connect { writer in
                        try await writer.write(
                            Outrider_V1_AgentMessage(ScriptedAgent.hello(), from: other, sequence: 1))
                        try await Task.sleep(for: .seconds(5))
                    } onResponse: { response in
                        for try await message in response.messages {
                            guard case .bootRefusal(let code, _) = try message.value() else { continue }
                            await refused.set(code)
                            throw RPCError(code: .cancelled, message: "seen")
                        }
                    }
                }
                #expect(await refused.code == "boot-conflict")
            }
        }
    }

    private actor RefusalBox {
        var code: String?
        func set(_ code: String) { self.code = code }
    }

    @Test func agentThatFallsBehindIsCutOffAndMayComeBack() async throws {
        let streams = AgentStreams()
        let (id, outbox) = try streams.open()
        for number in 0..<AgentStreams.queueMax {
            #expect(streams.send(.with { $0.position.revision = UInt64(number) }, to: id))
        }
        #expect(streams.overflows == 0)
        #expect(!streams.send(.init(), to: id), "the queue is full")
        #expect(streams.overflows == 1 && streams.count == 0)
        #expect(!streams.send(.init(), to: id), "the stream is gone")
        var received = 0
        do {
            for try await message in outbox {
                #expect(message.position.revision == UInt64(received), "nothing is lost before the cut")
                received += 1
            }
            Issue.record("the stream ended without a status")
        } catch let error as RPCError {
            #expect(error.code == .resourceExhausted)
        }
        #expect(received == AgentStreams.queueMax)
        let (again, _) = try streams.open()
        #expect(again != id)
        streams.closeAll("stopping")
        #expect(throws: RPCError.self) { try streams.open() }
    }
}
