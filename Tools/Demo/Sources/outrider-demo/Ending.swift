import LocalAPI
import NamespaceKit

/// Gives everything back: VMs, blocks, overlays, and looks for what stayed behind.
struct Ending {
    let bench: Bench
    private static let drainMax = Duration.seconds(15)
    private static let reportMax = Duration.seconds(5)

    /// Number of leftovers.
    func run() async throws -> Int {
        let cluster = bench.cluster
        let daemons = Daemons(cluster: cluster)
        let findings = try await settledFindings(daemons)
        bench.checks.record(
            "store, hosts and kernels agree", findings.isEmpty,
            findings.isEmpty ? "outriderctl check finds nothing" : findings.prefix(3).joined(separator: "; "))
        await bench.launcher.stopAll()
        bench.progress.step("all VMs are detached; giving the identifiers back")
        let rest = try await drain(daemons)
        bench.checks.record(
            "every identifier returns to the free space", rest == 0, "\(rest) identifiers not free")
        let names = try await offload { () throws(KitError) in
            try cluster.tearDownOverlays()
            return try cluster.leftovers()
        }
        bench.checks.record(
            "nothing is left after teardown", names.isEmpty,
            names.isEmpty ? "no namespace, link, nft table, socket or process" : names.joined(separator: ", "))
        return names.count
    }

    /// Reports of the last launches are still under way for a moment.
    private func settledFindings(_ daemons: Daemons) async throws -> [String] {
        var findings: [String] = []
        for _ in 0..<20 {
            findings = try await offload { () throws(KitError) in try daemons.findings() }
            if findings.isEmpty { break }
            try await Task.sleep(for: .milliseconds(250))
        }
        return findings
    }

    /// Deletes an application; the refusal when it stays refused. The last detach may not have been reported yet.
    private func delete(_ application: DemoApplication) async throws -> String? {
        let cluster = bench.cluster
        let deadline = ContinuousClock.now + Self.reportMax
        while true {
            let result = try await offload { () throws(KitError) in
                try cluster.control(["app", "delete", application.name])
            }
            if result.status == 0 { return nil }
            if ContinuousClock.now > deadline { return result.output }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// Deletes the applications, which sends every block through reclamation; identifiers that are still taken.
    private func drain(_ daemons: Daemons) async throws -> Int {
        for application in [bench.shop, bench.batch] {
            if let refusal = try await delete(application) {
                bench.checks.record("\(application.name) can be deleted", false, refusal)
            }
        }
        let deadline = ContinuousClock.now + Self.drainMax
        while true {
            let totals = try await offload { () throws(KitError) in try daemons.totals() }
            bench.progress.live("giving back: \(totals.taken) identifiers to go")
            if totals.taken == 0 || ContinuousClock.now > deadline { return totals.taken }
            try await Task.sleep(for: .milliseconds(250))
        }
    }
}
