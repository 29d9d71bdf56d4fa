import NamespaceKit
import SimulationKit

/// The compressed days: traffic, and the samples taken beside it.
struct Days {
    let options: DemoOptions
    let traffic: Traffic
    let applications: [FleetApplication]
    let progress: Progress

    func run(_ launcher: Launcher, _ measures: Measures) async throws {
        let stop = StopFlag()
        let ticker = Ticker(applications: applications, launcher: launcher, progress: progress)
        let workload = Workload(
            traffic.trace.events, applications: applications, launcher: launcher, watch: { await ticker.show() })
        async let sampling: Void = measures.watch(until: stop)
        for day in 0..<options.days {
            await launcher.beginDay(day)
            await ticker.begin("day \(day + 1)/\(options.days)")
            await workload.play(options.dayLength * day..<options.dayLength * (day + 1))
            let today = await launcher.records.filter { $0.day == day }
            let ahead = today.count { $0.servedFrom == "staged" || $0.servedFrom == "leased" }
            progress.step(
                "day \(day + 1): \(today.count) launches, \(ahead) from staged or leased blocks")
        }
        stop.raise()
        await sampling
    }
}

/// The line that shows how a day goes.
private actor Ticker {
    private let applications: [FleetApplication]
    private let launcher: Launcher
    private let progress: Progress
    private var label = ""

    init(applications: [FleetApplication], launcher: Launcher, progress: Progress) {
        self.applications = applications
        self.launcher = launcher
        self.progress = progress
    }

    func begin(_ label: String) { self.label = label }

    func show() async {
        let counts = await launcher.countsByApplication()
        let records = await launcher.records
        let served = ["staged", "leased", "reserved", "cold"].map { kind in
            "\(kind) \(records.count { $0.servedFrom == kind })"
        }
        let vms = applications.map { "\($0.name) \(counts[$0.id] ?? 0)" }
        let failed = await launcher.failures.count
        progress.live(
            "\(label)  VMs: \(vms.joined(separator: ", "))  launches: \(served.joined(separator: ", "))"
                + (failed > 0 ? "  failed \(failed)" : ""))
    }
}

/// Turns what the days left behind into figures and checks.
struct DayFindings {
    let launcher: Launcher
    let measures: Measures
    let watch: KernelWatch
    let topology: Topology

    private static let shareMin = 0.90
    private static let attachMax = 10.0
    private static let replyMax = 30.0

    func summarise(
        secondDay: Duration, into report: inout Report, _ checks: Checks, _ notes: inout [String]
    ) async {
        let records = await launcher.records
        for record in records {
            switch record.servedFrom {
            case "staged": report.launches.staged += 1
            case "leased": report.launches.leased += 1
            case "reserved": report.launches.reserved += 1
            default: report.launches.cold += 1
            }
        }
        let staged = records.filter { $0.servedFrom == "staged" }
        let cold = records.filter { $0.servedFrom == "cold" }
        report.attach = ByService(
            staged: Percentiles(staged.map(\.attachTime)), cold: Percentiles(cold.map(\.attachTime)))
        report.firstReply = ByService(
            staged: Percentiles(staged.compactMap(\.firstReplyTime)),
            cold: Percentiles(cold.compactMap(\.firstReplyTime)))
        report.idleIdentifiersMean = await measures.idleMean
        report.tables = await measures.tables

        let failures = await launcher.failures + measures.problems
        checks.record(
            "every launch is served", failures.isEmpty,
            failures.isEmpty
                ? "\(records.count) launches" : "\(failures.count): \(failures.prefix(3).joined(separator: "; "))")
        let silent = await launcher.silent
        checks.record(
            "every launched VM gets a reply", silent.isEmpty,
            silent.isEmpty
                ? "\(records.count { $0.replied != nil }) VMs reached one on another host"
                : "\(silent.count) did not: \(silent.prefix(3).joined(separator: "; "))")
        ratios(records, report, checks)
        peers(records, &report, checks, &notes)
        let predicted = await measures.predictedLeasesMost
        checks.record(
            "blocks are leased and staged ahead of demand", predicted > 0, "at most \(predicted) at once")
    }

    private func ratios(_ records: [LaunchRecord], _ report: Report, _ checks: Checks) {
        let later = records.filter { $0.day > 0 }
        let ahead = later.count { $0.servedFrom == "staged" || $0.servedFrom == "leased" }
        checks.record(
            "at least 90 % of launches after day one come from staged or leased blocks",
            !later.isEmpty && Double(ahead) >= Self.shareMin * Double(later.count), "\(ahead) of \(later.count)")
        checks.record(
            "attach from a staged block p99 at most 10 ms", (report.attach.staged.p99 ?? .infinity) <= Self.attachMax,
            report.attach.staged.text)
        checks.record(
            "first reply after a staged launch p50 at most 30 ms",
            (report.firstReply.staged.p50 ?? .infinity) <= Self.replyMax, report.firstReply.staged.text)
    }

    private func peers(
        _ records: [LaunchRecord], _ report: inout Report, _ checks: Checks, _ notes: inout [String]
    ) {
        let peers = PeerMessages(
            launches: records, events: watch.snapshot(), hosts: topology.cluster.hosts)
        report.peerMessagesPerStagedLaunch = peers.perStagedLaunch
        checks.record(
            "a staged launch sends nothing to peers", peers.perStagedLaunch == 0 && watch.overruns == 0,
            peers.perStagedLaunch == 0
                ? "0 messages; staging \(peers.stagedBlocks) blocks took \(peers.staging) messages beforehand"
                : "\(peers.perStagedLaunch.map { "\($0)" } ?? "no samples"), \(watch.overruns) overruns: "
                    + peers.examples.joined(separator: "; "))
        notes.append(
            "staging, apart from launches            \(peers.stagedBlocks) blocks learned by hosts, \(peers.staging) messages"
        )
    }
}
