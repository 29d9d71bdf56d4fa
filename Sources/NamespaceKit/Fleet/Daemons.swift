import Foundation
import LocalAPI
public import NetworkTypes

/// Starts the programs and asks them, the way an operator does.
public struct Daemons: Sendable {
    public let cluster: Cluster
    public init(cluster: Cluster) { self.cluster = cluster }

    /// Coordinator first, then all agents; returns when every host may bind.
    public func start() async throws {
        try await offload { () throws(KitError) in
            try cluster.startCoordinator()
            if cluster.settings.profiler == .apart { try cluster.startProfiler() }
        }
        for host in cluster.hosts {
            try await offload { () throws(KitError) in try cluster.startAgent(host) }
        }
        for host in cluster.hosts { try await waitUntilBinding(host) }
    }

    /// Waits until a host's agent has its boot grant and nothing stops it from binding.
    public func waitUntilBinding(_ host: ClusterHost, timeout: Duration = .seconds(20)) async throws {
        try await offload { () throws(KitError) in
            try cluster.waitUntil("\(host.name) may bind (see \(host.log))", timeout: timeout) {
                guard let status = try? AgentSocket(path: host.socket).status() else { return false }
                return status.connected && status.mayBind
            }
        }
    }

    private struct Application: Decodable { var id: String }

    /// Creates an application whose predictions may stage blocks, unless `mode` says less.
    public func createApplication(
        _ name: String, priority: String, mode: String = "stage", options: [String] = []
    ) async throws -> ApplicationID {
        let answer = try await offload { () throws(KitError) in
            try cluster.control(
                Application.self, ["app", "create", name, "--priority", priority, "--mode", mode] + options)
        }
        guard let id = ApplicationID(answer.id) else { throw KitError.unexpected("application id '\(answer.id)'") }
        return id
    }

    /// Totals of the installation; proto3 JSON leaves out what is zero.
    public struct Totals: Decodable, Sendable {
        public var reserved: Int?
        public var leasedIdle: Int?
        public var bound: Int?
        public var reclaiming: Int?
        public var quarantined: Int?
        public var hostsConnected: Int?
        public var idle: Int { (reserved ?? 0) + (leasedIdle ?? 0) }
        /// Identifiers that are not free.
        public var taken: Int { idle + (bound ?? 0) + (reclaiming ?? 0) + (quarantined ?? 0) }
    }

    public func totals() throws(KitError) -> Totals { try cluster.control(Totals.self, ["status"], idly: true) }

    private struct Decisions: Decodable {
        struct Entry: Decodable { var forecast: Double? }
        var decisions: [Entry]?
    }

    /// Applications whose last decision was by a forecast, and all that there was a decision about.
    public func decisions() throws(KitError) -> (byForecast: Int, all: Int) {
        let answer = try cluster.control(Decisions.self, ["forecast", "decisions"], idly: true).decisions ?? []
        // proto3 JSON leaves out a forecast of zero; without one it is negative.
        return (answer.count { $0.forecast ?? 0 >= 0 }, answer.count)
    }

    private struct Leases: Decodable {
        struct Entry: Decodable { var predicted: Bool? }
        var leases: [Entry]?
    }

    /// Blocks that hosts lease because a forecast asked for them, before any launch did.
    public func predictedLeases() throws(KitError) -> Int {
        let answer = try cluster.control(Leases.self, ["lease", "list"], idly: true)
        return (answer.leases ?? []).count { $0.predicted == true }
    }

    private struct Findings: Decodable {
        struct Entry: Decodable {
            var code: String?
            var object: String?
            var detail: String?
        }
        var findings: [Entry]?
    }

    /// Disagreements between the views of store and hosts.
    public func findings() throws(KitError) -> [String] {
        // Findings give status 2 and are still printed.
        let result = try cluster.control(["check", "--output", "json"])
        let json = result.output.split(separator: "\n").filter { !$0.hasPrefix("outriderctl:") }.joined(separator: "\n")
        guard let answer = try? JSONDecoder().decode(Findings.self, from: Data(json.utf8)) else {
            throw .command(line: "outriderctl check", status: result.status, output: result.output)
        }
        return (answer.findings ?? []).map { "\($0.code ?? "?") \($0.object ?? ""): \($0.detail ?? "")" }
    }

    /// Disagreements that are still there when the last reports have had their time.
    public func settledFindings() async throws(KitError) -> [String] {
        var findings: [String] = []
        for _ in 0..<20 {
            findings = try await offload { () throws(KitError) in try self.findings() }
            if findings.isEmpty { break }
            try? await Task.sleep(for: .milliseconds(250))
        }
        return findings
    }

    /// Deletes an application; the refusal when it stays refused. The last detach may not have been reported yet.
    public func delete(_ application: FleetApplication, within limit: Duration) async throws(KitError) -> String? {
        let deadline = ContinuousClock.now + limit
        while true {
            let result = try await offload { () throws(KitError) in
                try cluster.control(["app", "delete", application.name])
            }
            if result.status == 0 { return nil }
            if ContinuousClock.now > deadline { return result.output }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Waits until every identifier is free; how many are not when `limit` has passed.
    ///
    /// - Parameter watch: called with the number that is not free yet.
    public func drained(
        within limit: Duration, watch: @Sendable (Int) -> Void = { _ in }
    ) async throws(KitError) -> Int {
        let deadline = ContinuousClock.now + limit
        while true {
            let totals = try await offload { () throws(KitError) in try self.totals() }
            watch(totals.taken)
            if totals.taken == 0 || ContinuousClock.now > deadline { return totals.taken }
            try? await Task.sleep(for: .milliseconds(250))
        }
    }
}
