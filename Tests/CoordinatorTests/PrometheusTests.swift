import ControlAPI
import CoordinatorCore
import DaemonSupport
import Forecasting
import Foundation
import GRPCCore
import NetworkTypes
import Prometheus
import ServiceLifecycle
import SwiftProtobuf
import Testing

@testable import Coordinator

/// Against the real server.
@Suite struct PrometheusTests {
    /// A moment at which an hour begins.
    private static let end = 1_790_002_800

    private static func settings(_ base: String) -> PrometheusSettings {
        PrometheusSettings(
            base: base, label: "application", step: .seconds(10), backfill: .seconds(35_000), timeout: .seconds(300),
            queries: [
                .vms: "sum by (application) (vm_up)",
                .launches: "sum by (application) (increase(vm_starts_total[$step]))",
                .cpu: "max by (application) (vm_cpu_step_seconds)",
            ])
    }

    /// Three thousand steps of ten seconds; every 97th is missing, and one is not a number.
    private static func vms(_ index: Int) -> Int? { index % 97 == 5 ? nil : 40 + index % 360 / 20 + index / 700 }

    private static var history: String {
        var lines = ["# TYPE vm_up gauge"]
        func add(_ name: String, _ value: (Int) -> String?) {
            for index in 0..<3_000 {
                let time = end - (2_999 - index) * 10
                if let text = value(index) { lines.append("\(name){application=\"web\"} \(text) \(time)") }
            }
        }
        add("vm_up") { index in index == 700 ? "NaN" : vms(index).map(String.init) }
        lines.append("# TYPE vm_cpu_step_seconds gauge")
        add("vm_cpu_step_seconds") { "\(Double($0 % 50) / 4)" }
        return lines.joined(separator: "\n") + "\n# EOF\n"
    }

    /// What is learnt from the server's history is to the bit what the same samples teach when they are told one by one,
    /// also when the server's answers have to be cut short.
    @Test(arguments: [PrometheusClient.standardBytesMax, 20_000])
    func backfillIsAsFedDirectly(bytesMax: Int) async throws {
        let directory = try TemporaryDirectory()
        let server = try PrometheusServer(directory: directory.path, history: Self.history)
        try await server.start()
        let shape = try ForecastShape(ProfileConfiguration())
        let slot = Self.end / 10 - 1
        let id = ApplicationID(UUID128(high: 1, low: 2))
        let plan = BackfillPlan(shape: shape, interval: .seconds(10), slot: slot, applications: [id: "web"])
        let counts = PrometheusCounts()
        let source = PrometheusSource(Self.settings(server.base), counts: counts, bytesMax: bytesMax)
        var backfill = PrometheusBackfill(source: source, plan: plan, now: Double(Self.end))
        let learnt = try await backfill.run()
        var direct = PastBuilder(shape: shape)
        for index in 0..<3_000 where index != 700 {
            guard let vms = Self.vms(index) else { continue }
            direct.add(
                ExternalSample(
                    application: "web", vms: vms, usage: FleetSample.Usage(cpu: Double(index % 50) / 4)),
                at: slot - 2_999 + index)
        }
        let past = try #require(direct.past)
        #expect(learnt.keys.sorted() == [id])
        #expect(learnt[id]?.forecaster == past.forecaster && learnt[id]?.history == past.history)
        #expect(learnt[id]?.slot == slot && direct.forecaster.state != .cold)
        #expect(counts.values.pastSamples == direct.forecaster.demand.samples)
        #expect(counts.values.skips[.notFinite] == 1)
        #expect((counts.values.failures[.oversized] ?? 0 > 0) == (bytesMax < 1_000_000))
    }

    @Test func refusalsOfTheRealServer() async throws {
        let directory = try TemporaryDirectory()
        let server = try PrometheusServer(directory: directory.path)
        try await server.start()
        let client = PrometheusClient(base: server.base, timeout: .seconds(300))
        let syntax = await #expect(throws: PrometheusError.self) { try await client.query("sum(", at: 5) }
        guard case .refused(let type, let message) = syntax else {
            Issue.record("\(String(describing: syntax))")
            return
        }
        #expect(type == "bad_data" && message.contains("parse error"))
        let many = await #expect(throws: PrometheusError.self) {
            try await client.query("vector(1)", from: 0, to: 20_000, step: 1)
        }
        #expect(many?.kind == .refused)
        let wrongPlace = PrometheusClient(base: server.base + "/nowhere", timeout: .seconds(300))
        let lost = await #expect(throws: PrometheusError.self) { try await wrongPlace.query("up", at: 5) }
        #expect(lost == .http(status: 404))
        let scalar = await #expect(throws: PrometheusError.self) { try await client.query("1", at: 5) }
        #expect(scalar?.kind == .malformed)
        #expect(try await client.query("nothing_of_that_name", at: 5).series.isEmpty)
    }

    /// The server dies and returns, the exporter dies: what only they tell of is unknown meanwhile, and never zero.
    @Test func liveThroughDeaths() async throws {
        let directory = try TemporaryDirectory()
        let server = try PrometheusServer(directory: directory.path)
        try server.export(Self.exported(12))
        try await server.start()
        let settings = try liveSettings(directory.path, server.base)
        try await withDaemon(settings) { daemon, client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let profiler = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
            _ = try await sessions.createApplication(.with { $0.name = "web" })
            @Sendable func current() async throws -> UInt32 {
                try await profiler.getScalingProfile(.with { $0.application = "web" }).current
            }
            let counts = try #require(daemon.prometheus?.source.counts)
            try await until { try await current() == 12 }
            server.stop()
            try await until { !counts.values.isUp && counts.values.failures[.unreachable] ?? 0 > 3 }
            try server.export(Self.exported(15))
            try await server.start()
            try await until { try await current() == 15 }
            server.stopExporter()
            let empty = counts.values.empty
            try await until { counts.values.empty > empty + 20 }
            #expect(try await current() == 15)
            let past = try await profiler.getHistory(.with { $0.application = "web" })
            #expect(past.points.contains { !$0.hasVms })
            let afterFirst = past.points.drop { !$0.hasVms || $0.vms == 0 }
            #expect(!afterFirst.contains { $0.hasVms && $0.vms == 0 }, "silence is not a scale-in")
            try await checkMetrics(daemon)
        }
    }

    private static func exported(_ vms: Int) -> String {
        (0..<vms).map { "vm_up{application=\"web\",vm=\"\($0)\"} 1\n" }.joined() + "vm_up{application=\"other\"} 1\n"
            + "vm_up 1\n"
    }

    private func liveSettings(_ directory: String, _ base: String) throws -> CoordinatorSettings {
        var settings = try testSettings(
            directory + "/state",
            extra: """
                prometheus: \(base)
                prometheus-step: 200ms
                prometheus-backfill: 10s
                prometheus-timeout: 60s
                prometheus-vms: sum by (application) (vm_up)

                """)
        settings.httpListen = [Endpoint(host: .ipv4(IPv4Address(127 << 24 | 1)), port: 0)]
        return settings
    }

    /// What curl sees is what promtool accepts.
    private func checkMetrics(_ daemon: CoordinatorDaemon) async throws {
        let port = try #require(await daemon.endpoints.first?.boundPort())
        let page = try #require(try await fetchText("http://127.0.0.1:\(port)/metrics"))
        #expect(page.status == 200)
        for expected in [
            "outrider_forecast_vms{application=\"web\"} 15", "outrider_prometheus_up 1",
            "outrider_prometheus_skipped_total{reason=\"unnamed\"}", "outrider_profiler_applications{state=\"cold\"}",
        ] {
            #expect(page.text.contains(expected), "no \(expected) in \(page.text)")
        }
        let text = page.text
        try await aside { try promtoolAccepts(text) }
        #expect(try await fetchText("http://127.0.0.1:\(port)/healthz")?.text == "ok\n")
        #expect(try await fetchText("http://127.0.0.1:\(port)/readyz")?.status == 200)
        #expect(try await fetchText("http://127.0.0.1:\(port)/other")?.status == 404)
    }
}

/// A metrics page as `promtool check metrics` sees it.
func promtoolAccepts(_ text: String) throws {
    let process = Process()
    let (input, errors) = (Pipe(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["promtool", "check", "metrics"]
    process.standardInput = input
    process.standardError = errors
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
    try input.fileHandleForWriting.close()
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0 && complaint.isEmpty, "\(complaint)")
}

/// Waits for something that comes; only the limit of the test turns a hang into a failure.
func until(_ condition: @Sendable () async throws -> Bool) async throws {
    let limit = ContinuousClock.now + .seconds(300)
    while try await !condition() {
        guard ContinuousClock.now < limit else { throw CancellationError() }
        try await Task.sleep(for: .milliseconds(20))
    }
}
