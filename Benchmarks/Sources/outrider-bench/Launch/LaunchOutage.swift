import LocalAPI
import NamespaceKit

/// The coordinator is killed, and launches go on.
struct LaunchOutage {
    let replay: LaunchReplay

    /// An identifier that a VM left can be bound again so much later.
    private static let cooldown = ClusterSettings.shortestInterval

    func run(_ interval: Range<Duration>) async throws {
        let (cluster, launcher) = (replay.cluster, replay.launcher)
        await launcher.beginDay(2)
        let before = try free()
        let failed = await launcher.failures.count
        cluster.coordinator?.kill()
        var outage = Outage()
        try await outage.play(
            replay.demand.events, interval, applications: replay.applications, launcher: launcher)
        precondition(cluster.coordinator?.isRunning == false, "the coordinator came back by itself")
        let refused = await launcher.failures.count - failed
        let hits = outage.launches.count { $0.served }
        Results.note("launch: coordinator dead, launches", Double(outage.launches.count), "")
        Results.note("launch: coordinator dead, hit", Double(hits) / Double(max(1, outage.launches.count)), "")
        let least = usedUp(outage, before)
        Results.note("launch: coordinator dead, hit if blocks were used up", least, "")
        Results.note(
            "launch: coordinator dead, hit less that", Double(hits) / Double(max(1, outage.launches.count)) - least, "",
            floor: 0)
        Results.note("launch: coordinator dead, with a lease and failed", Double(outage.unserved.count), "", bar: 0)
        Results.note("launch: coordinator dead, without a lease", Double(refused), "")
        try await offload { () throws(KitError) in try cluster.startCoordinator() }
        for host in cluster.hosts { try await replay.daemons.waitUntilBinding(host) }
        let findings = try await replay.daemons.settledFindings()
        Results.note("launch: coordinator back, findings of check", Double(findings.count), "", bar: 0)
        for finding in findings.prefix(5) { LaunchBenchmark.say(finding) }
    }

    private struct Place: Hashable {
        var application: Int
        var host: Int
    }

    /// Identifiers that each host can bind for each application without asking.
    private func free() throws -> [Place: Int] {
        var free: [Place: Int] = [:]
        for (host, one) in replay.cluster.hosts.enumerated() {
            let status = try AgentSocket(path: one.socket).status()
            for (number, application) in replay.applications.enumerated() {
                free[Place(application: number, host: host)] = status.available(for: application.id)
            }
        }
        return free
    }

    /// The hit that is left when nothing but the identifiers of the beginning, and those that VMs give back, can be used:
    /// arithmetic on the same launches and stops, without asking anybody.
    private func usedUp(_ outage: Outage, _ free: [Place: Int]) -> Double {
        var free = free
        let returns = outage.stops.map { stop in
            (at: stop.at + Self.cooldown * 2, place: Place(application: stop.application, host: stop.host))
        }.sorted { $0.at < $1.at }
        var next = 0
        var hits = 0
        for launch in outage.launches {
            while next < returns.count, returns[next].at <= launch.at {
                free[returns[next].place, default: 0] += 1
                next += 1
            }
            let place = Place(application: launch.application, host: launch.host)
            guard let left = free[place], left > 0 else { continue }
            free[place] = left - 1
            hits += 1
        }
        return Double(hits) / Double(max(1, outage.launches.count))
    }

    /// Every identifier of the run is still known, and all come back.
    static func account(for replay: LaunchReplay) async throws {
        let findings = try await replay.daemons.settledFindings()
        Results.note("launch: findings of check at the end", Double(findings.count), "", bar: 0)
        for finding in findings.prefix(5) { LaunchBenchmark.say(finding) }
        let left = try await replay.giveBack()
        Results.note("launch: identifiers not free when all is given back", Double(left), "", bar: 0)
    }
}
