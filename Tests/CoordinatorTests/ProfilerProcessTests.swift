import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import DaemonSupport
import FleetProtocol
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NetworkTypes
import ServiceLifecycle
import SwiftProtobuf
import Testing

@testable import Coordinator

/// A coordinator and a profiler as services of their own, over real connections.
@Suite struct ProfilerProcessTests {
    private static func endpoint(_ port: Int) -> DaemonSupport.Endpoint {
        DaemonSupport.Endpoint(host: .ipv4(IPv4Address(127 << 24 | 1)), port: UInt16(port))
    }

    private static func aggregate(
        _ application: ApplicationID, _ sequence: Int, vms: Int
    ) -> AgentMessage {
        let part = ApplicationAggregate(
            application: application, vms: vms, peakVMs: vms, cooling: 0, launches: 1, stops: 1, misses: 0,
            waited: .zero, traffic: TrafficCounters(receivedBytes: 10, sentBytes: 10), cpu: .milliseconds(5))
        return .aggregates(
            Aggregates(
                sequence: UInt64(sequence), interval: .milliseconds(100), endedAt: Instant(nanoseconds: 1),
                applications: [part]))
    }

    private static func following(_ settings: CoordinatorSettings, _ port: Int) -> CoordinatorSettings {
        var settings = settings
        settings.coordinator = endpoint(port)
        return settings
    }

    /// Waits for a condition that only a hang keeps away.
    private static func until(_ what: String, _ holds: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await holds() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("never: \(what)")
    }

    /// Forecasts are learnt there, decided by here, and told by both; without it there are watermarks, and after its
    /// restart it goes on with what it had learnt.
    @Test func learnsThereAndDecidesHere() async throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let port = try freePort()
        var theirs = try testSettings(here.path)
        theirs.decisionInterval = .milliseconds(300)
        theirs.profiler = Self.endpoint(port)
        // The scripted agent says nothing while it is waited for.
        theirs.unreachableAfter = .seconds(3600)
        theirs.bindUntil = .seconds(7200)
        var mine = try testSettings(there.path)
        mine.decisionInterval = .milliseconds(300)
        mine.listen = [Self.endpoint(port)]
        let profilerSettings = mine
        try await withDaemon(theirs, profiler: .elsewhere) { coordinator, client in
            let port = try #require(try await coordinator.servers[0].boundPort())
            let settings = Self.following(profilerSettings, port)
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let asked = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
            let application = try #require(
                ApplicationID(try await sessions.createApplication(.with { $0.name = "web" }).id))
            let away = await refusal { _ = try await asked.getScalingProfile(.with { $0.application = "web" }) }
            #expect(away.hasPrefix("unavailable"))
            try await ScriptedAgent.connect(client) { agent in
                agent.send(ScriptedAgent.hello())
                _ = try await agent.wait { if case .bootGrant(let grant) = $0 { grant } else { nil } }
                let first = try await Self.learn(agent, asked, application, 1...40, settings)
                #expect(first >= 40)
                // It is gone: its words lapse.
                try await Self.until("watermarks") { try await Self.decision(client)?.forecast ?? 0 < 0 }
                // What is sampled while it is away is kept for it.
                let second = try await Self.learn(agent, asked, application, 41...60, settings)
                #expect(second >= 60)
            }
        }
    }

    private static func decision(_ client: Client) async throws -> Outrider_V1_Decision? {
        try await Outrider_V1_PredictiveAllocator.Client(wrapping: client)
            .listDecisions(.with { $0.application = "web" }).decisions.first
    }

    /// Runs a profiler until it has learnt so many samples and its forecasts are decided by.
    ///
    /// - Returns: samples learnt, as the coordinator tells.
    private static func learn(
        _ agent: ScriptedAgent.Script, _ asked: Outrider_V1_BehavioralProfiler.Client<HTTP2ClientTransport.Posix>,
        _ application: ApplicationID, _ sequence: ClosedRange<Int>, _ settings: CoordinatorSettings
    ) async throws -> UInt64 {
        for number in sequence.prefix(sequence.count / 2) {
            agent.send(aggregate(application, number, vms: 5 + number % 3))
        }
        let own = settings
        return try await withDaemon(own, profiler: .alone) { _, direct in
            for number in sequence.suffix(sequence.count - sequence.count / 2) {
                agent.send(aggregate(application, number, vms: 5 + number % 3))
            }
            var samples: UInt64 = 0
            try await until("samples up to \(sequence.upperBound)") {
                samples = (try? await asked.getScalingProfile(.with { $0.application = "web" }).samples) ?? 0
                return samples >= UInt64(sequence.upperBound)
            }
            let told = try await Outrider_V1_BehavioralProfiler.Client(wrapping: direct)
                .getScalingProfile(.with { $0.application = "web" })
            #expect(told.samples == samples && told.current == UInt32(5 + sequence.upperBound % 3))
            // What the profiler refuses is refused in its words, whoever was asked.
            for profiler in [asked, Outrider_V1_BehavioralProfiler.Client(wrapping: direct)] {
                let unknown = await refusal {
                    _ = try await profiler.explainForecast(.with { $0.application = "nope" })
                }
                #expect(unknown == "notFound unknown-application")
            }
            let nobody = await refusal {
                _ = try await Outrider_V1_SessionManager.Client(wrapping: direct)
                    .createApplication(.with { $0.name = "b" })
            }
            #expect(nobody.hasPrefix("unimplemented"))
            return samples
        }
    }

    /// Who takes the connection and says nothing is no profiler: calls end at once, and so does the coordinator.
    @Test func aSilentPeerHoldsNothingUp() async throws {
        let directory = try TemporaryDirectory()
        let silent = try SilentListener()
        var theirs = try testSettings(directory.path)
        theirs.profiler = Self.endpoint(silent.port)
        let settings = theirs
        try await withDaemon(settings, profiler: .elsewhere) { coordinator, client in
            let asked = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
            for _ in 0..<50 {
                let away = await refusal { _ = try await asked.getScalingProfile(.with { $0.application = "web" }) }
                #expect(away == "unavailable no-profiler")
            }
            let link = try #require(coordinator.peers.first as? ProfilerLink)
            #expect(!link.link.isUp)
        }
    }

    /// No application, no sample: somebody is there nevertheless.
    @Test func anIdlePairIsUp() async throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        let port = try freePort()
        var theirs = try testSettings(here.path)
        theirs.profiler = Self.endpoint(port)
        var mine = try testSettings(there.path)
        mine.listen = [Self.endpoint(port)]
        let own = mine
        try await withDaemon(theirs, profiler: .elsewhere) { coordinator, _ in
            let settings = Self.following(own, try #require(try await coordinator.servers[0].boundPort()))
            try await withDaemon(settings, profiler: .alone) { profiler, _ in
                let links = [
                    (coordinator.peers.first as? ProfilerLink)?.link,
                    (profiler.peers.first as? CoordinatorFollower)?.link,
                ]
                try await Self.until("both up") { links.allSatisfy { $0?.isUp == true } }
            }
        }
    }

    /// A profiler of other settings ends, and says which.
    @Test func anotherIntervalEndsIt() async throws {
        let here = try TemporaryDirectory()
        let there = try TemporaryDirectory()
        var theirs = try testSettings(here.path)
        theirs.profiler = Self.endpoint(try freePort())
        var mine = try testSettings(there.path)
        mine.aggregateInterval = .milliseconds(200)
        let own = mine
        try await withDaemon(theirs, profiler: .elsewhere) { coordinator, _ in
            var settings = own
            settings.coordinator = Self.endpoint(try #require(try await coordinator.servers[0].boundPort()))
            let daemon = try await CoordinatorDaemon(settings, profiler: .alone, logger: quietLogger)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: daemon.services(notifier: ServiceManagerNotifier(socketPath: nil)).map {
                        .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup)
                    }, logger: quietLogger))
            let error = await #expect(throws: FollowerMismatch.self) { try await group.run() }
            #expect(error?.description.contains("aggregate-interval: is 200 ms here and 100 ms at the coord") == true)
            #expect(error.map { CoordinatorDaemon.exitCode(for: $0) } == .configuration)
        }
    }
}
