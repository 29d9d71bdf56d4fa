import Foundation
import NamespaceKit
import NetworkTypes

/// The run from the first namespace to the last.
struct Demo {
    let options: DemoOptions
    private let progress = Progress()
    private let checks: Checks
    /// The promise of the whole command, programs built beforehand.
    private static let longest = Duration.seconds(300)

    init(_ options: DemoOptions) {
        self.options = options
        checks = Checks(progress)
    }

    /// True when every check passed.
    func run() async throws -> Bool {
        let settings = Topology.settings(options)
        let watcher = InterruptWatcher {
            ChildProcess.killAll()
            Cluster.sweep(settings)
        }
        defer { watcher.cancel() }
        var report = Report()
        var notes: [String] = []
        do {
            try await perform(&report, &notes)
        } catch {
            checks.record("the demo ran to its end", false, "\(error)")
        }
        if !options.keep { ChildProcess.killAll() }
        if options.keep {
            progress.step("kept: namespaces \(settings.prefix)-*, files in \(settings.directory)")
        } else if checks.passed {
            Cluster.sweep(settings)
        } else {
            Self.keepLogs(of: settings, beside: options.report)
            Cluster.sweep(settings)
        }
        checks.record(
            "the demo takes less than five minutes", progress.elapsed < Self.longest || options.days > 3,
            "\(Int(progress.elapsed / .seconds(1))) s")
        report.checks = checks.all
        try report.write(to: options.report)
        print(report.text(notes: notes))
        print("report: \(options.report)")
        return checks.passed
    }

    private func perform(_ report: inout Report, _ notes: inout [String]) async throws {
        let traffic = Traffic(seed: options.seed, days: options.days + 1, dayLength: options.dayLength)
        progress.step(
            "seed \(options.seed): \(options.days) days of \(options.dayLength), at most \(traffic.vmsMax) VMs at once")
        let (options, vms) = (options, traffic.vmsMax)
        let topology = try await offload { () throws(KitError) in try Topology.build(options, vms: vms) }
        let cluster = topology.cluster
        progress.step("underlay, \(cluster.hosts.count) hosts and \(topology.slots.count) VM namespaces are there")

        let daemons = Daemons(cluster: cluster)
        try await daemons.start()
        var applications: [FleetApplication] = []
        for shape in Traffic.shapes {
            let id = try await daemons.createApplication(shape.name, priority: shape.priority)
            applications.append(FleetApplication(name: shape.name, id: id, weights: shape.weights))
        }
        progress.step("coordinator and agents run; applications \(applications.map(\.name).joined(separator: ", "))")

        let launcher = Launcher(cluster, slots: topology.slots, seed: options.seed &+ 1)
        let watch = try KernelWatch(namespaces: cluster.hosts.map(\.overlayNamespace))
        defer { watch.close() }
        let measures = Measures(topology, launcher)
        try await Days(options: options, traffic: traffic, applications: applications, progress: progress)
            .run(launcher, measures)
        await DayFindings(launcher: launcher, measures: measures, watch: watch, topology: topology)
            .summarise(secondDay: options.dayLength, into: &report, checks, &notes)

        try await LaunchLog.write(launcher.records, beside: options.report)
        let bench = Bench(
            topology: topology, launcher: launcher, shop: applications[0], batch: applications[1], checks: checks,
            progress: progress)
        try await experiments(bench, traffic, &report, &notes)
        report.leftovers = try await Ending(bench: bench).run()
    }

    private func experiments(
        _ bench: Bench, _ traffic: Traffic, _ report: inout Report, _ notes: inout [String]
    ) async throws {
        let restart = try await AgentRestart(bench: bench).run()
        report.lostPackets = restart.lost
        report.lostPacketsControl = restart.control
        report.outage = try await CoordinatorOutage(
            bench: bench, traffic: traffic, start: options.dayLength * options.days
        ).run()
        var leaks = try await Spoofing(bench: bench).run()
        leaks += try await Injection(bench: bench).run()
        leaks += try await CrossApplication(bench: bench).run()
        report.leaks = leaks
        bench.checks.record("nothing leaks across applications", leaks == 0, "\(leaks) leaks")
        let rate = try await Transfer(bench: bench).run()
        notes.append(String(format: "iperf3 between two hosts                %.2f Gbit/s", rate))
    }

    private static func keepLogs(of settings: ClusterSettings, beside report: String) {
        let target = URL(filePath: report).deletingLastPathComponent().appending(path: "logs")
        try? FileManager.default.removeItem(at: target)
        try? FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try? FileManager.default.copyItem(at: URL(filePath: settings.directory), to: target)
    }
}
