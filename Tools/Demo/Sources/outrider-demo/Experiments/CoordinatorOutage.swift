import LocalAPI
import NamespaceKit
import NetworkTypes
import SimulationKit

/// Kills the coordinator and goes on launching; whoever has a lease must be served.
struct CoordinatorOutage {
    let bench: Bench
    let traffic: Traffic
    /// Where in the trace the outage begins.
    let start: Duration

    static let length = Duration.seconds(20)

    func run() async throws -> Report.Outage {
        let cluster = bench.cluster
        cluster.coordinator?.kill()
        var outage = Outage()
        let progress = bench.progress
        try await outage.play(
            traffic.trace.events, start..<start + Self.length, applications: [bench.shop, bench.batch],
            launcher: bench.launcher
        ) { now in
            progress.live(
                "coordinator dead: \(now.launches.count) launches, \(now.leased) with a lease, \(now.served) served")
        }
        let stayedDead = cluster.coordinator?.isRunning == false
        try await offload { () throws(KitError) in try cluster.startCoordinator() }
        let daemons = Daemons(cluster: cluster)
        for host in cluster.hosts { try await daemons.waitUntilBinding(host) }
        bench.checks.record(
            "launches with a lease are served while the coordinator is dead",
            outage.unserved.isEmpty && outage.leased > 0 && stayedDead,
            outage.unserved.isEmpty
                ? "\(outage.leased) of \(outage.launches.count) had a lease, \(outage.served) served"
                : "not served: " + outage.unserved.joined(separator: ", "))
        return Report.Outage(launches: outage.launches.count, leased: outage.leased, served: outage.served)
    }
}
