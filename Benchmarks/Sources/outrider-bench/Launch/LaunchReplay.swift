import LocalAPI
import NamespaceKit
import NetworkTypes

/// One policy, replaying the demand on its own eight hosts.
struct LaunchReplay {
    let cluster: Cluster
    let daemons: Daemons
    let launcher: Launcher
    let demand: LaunchDemand
    let applications: [FleetApplication]
    private let idle: IdleSamples

    /// What a stretch of it came to.
    struct Outcome {
        var records: [LaunchRecord]
        /// Mean over time of identifiers that are taken and that no VM uses.
        var idle: Double
        /// Of these, interfaces of a warm pool.
        var ready: Double
        /// Mean over time of VMs.
        var vms: Double
        var launches: Int { records.count }

        func share(_ matches: (LaunchRecord) -> Bool) -> Double {
            Double(records.count(where: matches)) / Double(max(1, records.count))
        }
        /// Launches that waited for nobody, of all.
        var onHost: Double { share { $0.warm || $0.servedFrom == "staged" || $0.servedFrom == "leased" } }
    }

    /// - Parameters:
    ///   - mode: of all applications.
    ///   - pool: interfaces that are ready beforehand, for the policy of a warm pool.
    init(
        _ cluster: Cluster, slots: [VMSlot], demand: LaunchDemand, mode: String = "stage", pool: WarmPool? = nil
    ) async throws {
        self.cluster = cluster
        self.demand = demand
        daemons = Daemons(cluster: cluster)
        launcher = Launcher(cluster, slots: slots, seed: LaunchDemand.seed, pool: pool)
        idle = IdleSamples(daemons: daemons, launcher: launcher, pool: pool)
        var applications: [FleetApplication] = []
        for (place, name) in demand.names.enumerated() {
            let id = try await daemons.createApplication(name, priority: "standard", mode: mode)
            applications.append(
                FleetApplication(name: name, id: id, weights: Self.weights(place, of: cluster.hosts.count)))
        }
        self.applications = applications
    }

    /// No two applications have their launches on the same hosts; none has them evenly.
    static func weights(_ application: Int, of hosts: Int) -> [Double] {
        (0..<hosts).map { host in 1 / Double(1 + (host + 3 * application) % hosts) }
    }

    /// Plays a stretch of the demand; its launches count for it.
    func play(_ interval: Range<Duration>, _ label: String, number: Int) async throws -> Outcome {
        await launcher.beginDay(number)
        let stop = StopFlag()
        let (idle, launcher) = (idle, launcher)
        async let samples: [IdleSamples.Sample] = idle.sample(until: stop)
        await Workload(demand.events, applications: applications, launcher: launcher).play(interval)
        stop.raise()
        let seen = try await samples
        func mean(_ value: (IdleSamples.Sample) -> Int) -> Double {
            Double(seen.reduce(0) { $0 + value($1) }) / Double(max(1, seen.count))
        }
        let outcome = Outcome(
            records: await launcher.records.filter { $0.day == number }, idle: mean(\.idle), ready: mean(\.ready),
            vms: mean(\.vms))
        LaunchBenchmark.say(
            "\(label): \(outcome.launches) launches, \(Int(outcome.onHost * 100)) % on their host, "
                + "idle \(Int(outcome.idle.rounded())), VMs \(Int(outcome.vms.rounded()))")
        return outcome
    }

    /// Launches that failed or stayed silent, in words.
    var problems: [String] { get async { await launcher.failures + launcher.silent } }

    /// Gives everything back; identifiers that are not free in the end.
    func giveBack() async throws -> Int {
        await launcher.stopAll()
        for application in applications {
            if let refusal = try await daemons.delete(application, within: .seconds(10)) {
                LaunchBenchmark.say("\(application.name) cannot be deleted: \(refusal)")
            }
        }
        return try await daemons.drained(within: .seconds(30))
    }
}

/// What is taken and not used, looked at once a second.
private struct IdleSamples: Sendable {
    struct Sample {
        var idle: Int
        var ready: Int
        var vms: Int
    }
    let daemons: Daemons
    let launcher: Launcher
    let pool: WarmPool?

    private static let interval = Duration.seconds(1)

    func sample(until stop: StopFlag) async throws -> [Sample] {
        var samples: [Sample] = []
        while !stop.isRaised {
            let daemons = daemons
            let totals = try await offload { () throws(KitError) in try daemons.totals() }
            // What is held counts as bound with the coordinator.
            let held = await pool?.count ?? 0
            samples.append(Sample(idle: totals.idle + held, ready: held, vms: await launcher.liveCount))
            try? await Task.sleep(for: Self.interval)
        }
        return samples
    }
}
