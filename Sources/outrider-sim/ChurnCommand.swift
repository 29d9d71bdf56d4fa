public import ArgumentParser
public import FleetSimulation
import FoundationEssentials

struct ChurnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "churn",
        abstract: "Compares locality-aware sharding with shuffled and random identifiers over many days.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    @Option(help: "Length of the run, at least 1.")
    var days = 30
    @Option(help: "Hosts of the fleet, at least 2.")
    var hosts = 200
    @Option(help: "Applications of the fleet, at least 1.")
    var applications = 300
    @Option(help: "Everything follows from it.")
    var seed: UInt64 = 1
    @Option(
        help:
            "How applications use their hosts: \(ChurnMix.Placement.allCases.map(\.rawValue).joined(separator: " or "))."
    )
    var placement = ChurnMix.Placement.following
    @Option(help: "Folder for the charts, made if missing.")
    var output: String?
    @Option(help: "What is printed: table or json.")
    var format = Format.table

    func validate() throws {
        guard (1...3650).contains(days) else { throw ValidationError("--days \(days): must be from 1 to 3650") }
        guard (2...100_000).contains(hosts) else { throw ValidationError("--hosts \(hosts): must be from 2 to 100000") }
        guard (1...100_000).contains(applications) else {
            throw ValidationError("--applications \(applications): must be from 1 to 100000")
        }
    }

    func run() throws {
        var plan = ChurnPlan(seed: seed, days: days, hosts: hosts, applications: applications)
        plan.mix.placement = placement
        var simulation = try ChurnSimulation(plan)
        let summary = try simulation.run()
        let report = ChurnReport(summary, samples: simulation.samples)
        print(format == .table ? report.table : report.json, terminator: "")
        guard let output else { return }
        let folder = URL(filePath: output, directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for chart in report.charts { try Data(chart.svg.utf8).write(to: folder.appending(path: chart.name)) }
    }
}

extension ChurnMix.Placement: ExpressibleByArgument {}
