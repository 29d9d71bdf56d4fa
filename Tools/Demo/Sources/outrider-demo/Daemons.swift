import Foundation
import LocalAPI
import NamespaceKit
import NetworkTypes

/// Starts the programs and asks them, the way an operator does.
struct Daemons: Sendable {
    let cluster: Cluster

    /// Coordinator first, then all agents; returns when every host may bind.
    func start() async throws {
        try await offload { () throws(KitError) in try cluster.startCoordinator() }
        for host in cluster.hosts {
            try await offload { () throws(KitError) in try cluster.startAgent(host) }
        }
        for host in cluster.hosts { try await waitUntilBinding(host) }
    }

    /// Waits until a host's agent has its boot grant and nothing stops it from binding.
    func waitUntilBinding(_ host: ClusterHost, timeout: Duration = .seconds(20)) async throws {
        try await offload { () throws(KitError) in
            try cluster.waitUntil("\(host.name) may bind (see \(host.log))", timeout: timeout) {
                guard let status = try? AgentSocket(path: host.socket).status() else { return false }
                return status.connected && status.mayBind
            }
        }
    }

    private struct Application: Decodable { var id: String }

    /// Creates an application whose predictions may stage blocks.
    func createApplication(_ name: String, priority: String) async throws -> ApplicationID {
        let answer = try await offload { () throws(KitError) in
            try cluster.control(
                Application.self, ["app", "create", name, "--priority", priority, "--mode", "stage"])
        }
        guard let id = ApplicationID(answer.id) else { throw KitError.unexpected("application id '\(answer.id)'") }
        return id
    }

    /// Totals of the installation; proto3 JSON leaves out what is zero.
    struct Totals: Decodable, Sendable {
        var reserved: Int?
        var leasedIdle: Int?
        var bound: Int?
        var reclaiming: Int?
        var quarantined: Int?
        var hostsConnected: Int?
        var idle: Int { (reserved ?? 0) + (leasedIdle ?? 0) }
        /// Identifiers that are not free.
        var taken: Int { idle + (bound ?? 0) + (reclaiming ?? 0) + (quarantined ?? 0) }
    }

    func totals() throws(KitError) -> Totals { try cluster.control(Totals.self, ["status"], idly: true) }

    private struct Leases: Decodable {
        struct Entry: Decodable { var predicted: Bool? }
        var leases: [Entry]?
    }

    /// Blocks that hosts lease because a forecast asked for them, before any launch did.
    func predictedLeases() throws(KitError) -> Int {
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
    func findings() throws(KitError) -> [String] {
        // Findings give status 2 and are still printed.
        let result = try cluster.control(["check", "--output", "json"])
        let json = result.output.split(separator: "\n").filter { !$0.hasPrefix("outriderctl:") }.joined(separator: "\n")
        guard let answer = try? JSONDecoder().decode(Findings.self, from: Data(json.utf8)) else {
            throw .command(line: "outriderctl check", status: result.status, output: result.output)
        }
        return (answer.findings ?? []).map { "\($0.code ?? "?") \($0.object ?? ""): \($0.detail ?? "")" }
    }
}
