import Foundation
import NamespaceKit
import SimulationKit

/// The whole installation live: eight hosts in namespaces, the real programs, real packets. What a launch costs by where
/// its identifier comes from, and what policies reach on the same demand at compressed time.
enum LaunchBenchmark {
    /// The demand's stretches, in compressed hours of the second and third day.
    private static let warmUp = 6
    private static let deadHours = 5
    /// What decisions by forecasts leave behind is given back meanwhile.
    private static let settleHours = 7

    @Sendable static func run() async throws {
        guard let fleet = fleet("launch: staged first reply / by hand") else { return }
        try await LaunchPaths.run(fleet)
        try await replay(fleet)
    }

    /// What launches cost alone.
    @Sendable static func paths() async throws {
        guard let fleet = fleet("launch: staged first reply / by hand") else { return }
        try await LaunchPaths.run(fleet)
    }

    /// What policies reach alone.
    @Sendable static func policies() async throws {
        guard let fleet = fleet("launch: predicted, on their host") else { return }
        try await replay(fleet)
    }

    private static func fleet(_ metric: String) -> LaunchFleet? {
        guard let binaries = ProcessInfo.processInfo.environment[InstallationBenchmark.variable] else {
            Results.absent(metric, "", why: "\(InstallationBenchmark.variable) names no folder of programs")
            return nil
        }
        return LaunchFleet(binaries: binaries)
    }

    static func say(_ text: String) {
        FileHandle.standardError.write(Data("outrider-bench: launch: \(text)\n".utf8))
    }

    /// Launches that an agent refused or that got no reply, so far.
    private static func noteProblems(_ when: String, _ replay: LaunchReplay, less known: Int = 0) async {
        let problems = await replay.problems
        Results.note("launch: failed or without a reply, \(when)", Double(problems.count - known), "", bar: 0)
        for problem in problems.dropFirst(known).prefix(5) { say(problem) }
    }

    static func note(_ metric: String, _ messages: PeerMessages) {
        guard let value = messages.perStagedLaunch else {
            return Results.absent(metric, "", bar: 0, why: "no staged launch got a reply")
        }
        Results.note(metric, value, "", bar: 0)
        for example in messages.examples { say(example) }
    }

    private static func hours(_ from: Int, _ to: Int) -> Range<Duration> {
        LaunchDemand.hour * from..<LaunchDemand.hour * to
    }

    // MARK: Policies

    private static func replay(_ fleet: LaunchFleet) async throws {
        let demand = try LaunchDemand()
        say(
            "demand of \(demand.origin): \(demand.names.count) applications, \(demand.launches(in: hours(24, 48))) "
                + "launches on the measured day, \(demand.vmsMost) VMs at most; an hour takes \(LaunchDemand.hour)")
        let predicted = try await predictedDays(fleet, demand)
        let third = hours(48 + deadHours + settleHours, 72)
        let watermarks = try await watermarks(fleet, demand, third)
        let pool = try await warmPool(fleet, demand, like: predicted.day)
        for (name, outcome) in [("predicted", predicted.day), ("warm pool", pool)] {
            let attach = outcome.records.map(\.attachTime)
            let replies = outcome.records.compactMap(\.firstReplyTime)
            Results.note("launch: \(name), on their host", outcome.onHost, "")
            for kind in ["staged", "leased", "reserved", "cold"] {
                let share = outcome.share { $0.servedFrom == kind }
                Results.note("launch: \(name), \(kind)", share, "")
            }
            Results.note("launch: \(name), idle identifiers, mean", outcome.idle, "")
            Results.note("launch: \(name), VMs, mean", outcome.vms, "")
            Results.note("launch: \(name), attach, p50", quantile(attach, 0.5), "ms")
            Results.note("launch: \(name), attach, p99", quantile(attach, 0.99), "ms")
            Results.note("launch: \(name), first reply, p50", quantile(replies, 0.5), "ms")
            Results.note("launch: \(name), first reply, p99", quantile(replies, 0.99), "ms")
        }
        // A pool elsewhere has no blocks: what it holds is what is ready, and what finds nothing ready is a miss.
        Results.note("launch: warm pool, taken from the pool", pool.share(\.warm), "")
        Results.note("launch: warm pool, ready, mean", pool.ready, "")
        compare(killed: predicted.killed, watermarks: watermarks)
    }

    /// The same demand decided by watermarks alone: by a coordinator whose profiler was killed, and by one that never had
    /// one. Two replays of one demand never see the same milliseconds, so these differ by that much.
    private static func compare(killed: LaunchReplay.Outcome, watermarks: LaunchReplay.Outcome) {
        Results.note("launch: profiler killed, on their host", killed.onHost, "")
        Results.note("launch: no profiler, on their host", watermarks.onHost, "")
        Results.note("launch: profiler killed, idle identifiers, mean", killed.idle, "")
        Results.note("launch: no profiler, idle identifiers, mean", watermarks.idle, "")
        Results.note(
            "launch: profiler killed, hit less that of no profiler", killed.onHost - watermarks.onHost, "",
            within: -0.05...0.05)
        Results.note(
            "launch: profiler killed, idle / no profiler", killed.idle / watermarks.idle, "x", within: 0.85...1.15)
    }

    /// A day to learn from, a day that counts, hours without a coordinator, and a rest of the third without a profiler.
    private static func predictedDays(
        _ fleet: LaunchFleet, _ demand: LaunchDemand
    ) async throws -> (day: LaunchReplay.Outcome, killed: LaunchReplay.Outcome) {
        try await fleet.run(LaunchFleet.Shape(name: "f", profiler: .apart)) { cluster, slots in
            let watch = try KernelWatch(namespaces: cluster.hosts.map(\.overlayNamespace))
            defer { watch.close() }
            let replay = try await LaunchReplay(cluster, slots: slots, demand: demand)
            _ = try await replay.play(hours(0, 24), "learning", number: 0)
            let day = try await replay.play(hours(24, 48), "predicted", number: 1)
            let told = PeerMessages(launches: day.records, events: watch.snapshot(), hosts: cluster.hosts)
            note("launch: predicted, messages to peers of a staged launch", told)
            Results.note("launch: predicted, staged launches looked at", Double(told.counted), "")
            Results.note(
                "launch: predicted, messages of staging per launch",
                Double(told.staging) / Double(max(1, await replay.launcher.records.count)), "")
            Results.note("launch: events that the watch lost", Double(watch.overruns), "", bar: 0)
            await noteProblems("before the outage", replay)
            let decided = try replay.daemons.decisions()
            Results.note("launch: applications decided by forecast", Double(decided.byForecast), "")
            try await LaunchOutage(replay: replay).run(hours(48, 48 + deadHours))
            let known = await replay.problems.count
            cluster.profiler?.kill()
            _ = try await replay.play(
                hours(48 + deadHours, 48 + deadHours + settleHours), "profiler just killed", number: 3)
            let killed = try await replay.play(hours(48 + deadHours + settleHours, 72), "profiler killed", number: 4)
            let undecided = try replay.daemons.decisions()
            Results.note("launch: decided by forecast, profiler killed", Double(undecided.byForecast), "", bar: 0)
            await noteProblems("after it", replay, less: known)
            try await LaunchOutage.account(for: replay)
            return (day, killed)
        }
    }

    private static func watermarks(
        _ fleet: LaunchFleet, _ demand: LaunchDemand, _ stretch: Range<Duration>
    ) async throws -> LaunchReplay.Outcome {
        try await fleet.run(LaunchFleet.Shape(name: "w", profiler: .none)) { cluster, slots in
            let replay = try await LaunchReplay(cluster, slots: slots, demand: demand)
            let before = stretch.lowerBound - LaunchDemand.hour * (deadHours + settleHours)
            _ = try await replay.play(before..<stretch.lowerBound, "no profiler, to begin with", number: 0)
            let outcome = try await replay.play(stretch, "no profiler", number: 1)
            await noteProblems("no profiler", replay)
            return outcome
        }
    }

    /// A fixed number of interfaces per application and host, as many ready in all as `other` had identifiers idle.
    private static func warmPool(
        _ fleet: LaunchFleet, _ demand: LaunchDemand, like other: LaunchReplay.Outcome
    ) async throws -> LaunchReplay.Outcome {
        try await fleet.run(LaunchFleet.Shape(name: "k", profiler: .none)) { cluster, slots in
            let pool = WarmPool(cluster)
            let replay = try await LaunchReplay(cluster, slots: slots, demand: demand, mode: "observe", pool: pool)
            let sizes = sizes(Int(other.idle.rounded()), replay.applications)
            for (application, counts) in zip(replay.applications, sizes) {
                for (host, count) in counts.enumerated() { await pool.fill(application, host: host, count: count) }
            }
            _ = try await replay.play(hours(24 - warmUp, 24), "warm pool, to begin with", number: 0)
            let day = try await replay.play(hours(24, 48), "warm pool", number: 1)
            await noteProblems("warm pool", replay)
            let failures = await pool.failures
            if !failures.isEmpty { say("warm pool: \(failures.count) not made: \(failures.prefix(2))") }
            return day
        }
    }

    /// So many interfaces, the same number for every application and host; what is over goes where most launches are.
    private static func sizes(_ total: Int, _ applications: [FleetApplication]) -> [[Int]] {
        let hosts = LaunchFleet.hosts
        let each = total / (applications.count * hosts)
        var sizes = Array(repeating: Array(repeating: each, count: hosts), count: applications.count)
        var cells: [(weight: Double, place: Int, host: Int)] = []
        for (place, application) in applications.enumerated() {
            for (host, weight) in application.weights.enumerated() { cells.append((-weight, place, host)) }
        }
        let over = total - each * cells.count
        for cell in cells.sorted(by: <).prefix(over) { sizes[cell.place][cell.host] += 1 }
        return sizes
    }
}
