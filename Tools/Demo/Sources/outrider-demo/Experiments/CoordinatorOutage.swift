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
    /// A launch without a lease can't be served now; it must not hold up the others.
    private static let patience = Duration.milliseconds(300)

    func run() async throws -> Report.Outage {
        let cluster = bench.cluster
        cluster.coordinator?.kill()
        let began = ContinuousClock.now
        let launcher = bench.launcher
        var outage = Report.Outage()
        var unserved: [String] = []
        for event in traffic.trace.events where (start..<start + Self.length).contains(event.time) {
            let due = began + (event.time - start)
            // One at a time, so that nobody takes the identifier that was seen free.
            try await Task.sleep(until: due)
            guard ContinuousClock.now - began < Self.length else { break }
            let application = event.application == 0 ? bench.shop : bench.batch
            let name = "\(application.name)-\(event.vm)"
            guard event.kind == .launch else {
                await launcher.stop(name: name)
                continue
            }
            let host = await launcher.pickHost(application)
            let socket = AgentSocket(path: cluster.hosts[host].socket)
            let status = try await offload { () throws(KitError) in try socket.status() }
            let available = status.available(for: application.id)
            let machine = await launcher.launch(application, name: name, on: host, timeout: Self.patience)
            outage.launches += 1
            if available > 0 { outage.leased += 1 }
            if machine != nil { outage.served += 1 }
            if machine == nil, available > 0 { unserved.append("\(name) on h\(host + 1)") }
            bench.progress.live(
                "coordinator dead: \(outage.launches) launches, \(outage.leased) with a lease, \(outage.served) served")
        }
        try await Task.sleep(until: began + Self.length)
        await launcher.stopDeferred()
        let stayedDead = cluster.coordinator?.isRunning == false
        try await offload { () throws(KitError) in try cluster.startCoordinator() }
        let daemons = Daemons(cluster: cluster)
        for host in cluster.hosts { try await daemons.waitUntilBinding(host) }
        bench.checks.record(
            "launches with a lease are served while the coordinator is dead",
            unserved.isEmpty && outage.leased > 0 && stayedDead,
            unserved.isEmpty
                ? "\(outage.leased) of \(outage.launches) had a lease, \(outage.served) served"
                : "not served: " + unserved.joined(separator: ", "))
        return outage
    }
}
