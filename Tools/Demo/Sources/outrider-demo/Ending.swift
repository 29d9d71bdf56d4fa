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
        let findings = try await daemons.settledFindings()
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

    /// Deletes the applications, which sends every block through reclamation; identifiers that are still taken.
    private func drain(_ daemons: Daemons) async throws -> Int {
        for application in [bench.shop, bench.batch] {
            if let refusal = try await daemons.delete(application, within: Self.reportMax) {
                bench.checks.record("\(application.name) can be deleted", false, refusal)
            }
        }
        let progress = bench.progress
        return try await daemons.drained(within: Self.drainMax) { taken in
            progress.live("giving back: \(taken) identifiers to go")
        }
    }
}
