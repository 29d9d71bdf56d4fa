import LocalAPI
import NamespaceKit
import NetworkTypes

/// What is looked at beside the launches while the days pass.
actor Measures {
    private let topology: Topology
    private let launcher: Launcher
    private(set) var idle: [Int] = []
    private(set) var predictedLeasesMost = 0
    /// Tables at the moment with the most VMs.
    private(set) var tables: [String: Report.Tables] = [:]
    private var vmsAtTables = -1
    private(set) var problems: [String] = []

    private static let interval = Duration.seconds(2)

    init(_ topology: Topology, _ launcher: Launcher) {
        self.topology = topology
        self.launcher = launcher
    }

    /// Samples until the flag is raised.
    func watch(until stop: StopFlag) async {
        while !stop.isRaised {
            await sample()
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func sample() async {
        let daemons = Daemons(cluster: topology.cluster)
        let hosts = topology.cluster.hosts
        let counts = await launcher.countsByApplication()
        let vms = counts.values.reduce(0, +)
        let wantsTables = vms > vmsAtTables
        do {
            let totals = try await offload { () throws(KitError) in try daemons.totals() }
            idle.append(totals.idle)
            // Starting a program costs as much as several launches; this figure changes slowly.
            if idle.count.isMultiple(of: 5) {
                let predicted = try await offload { () throws(KitError) in try daemons.predictedLeases() }
                predictedLeasesMost = max(predictedLeasesMost, predicted)
            }
            guard wantsTables else { return }
            var found: [String: Report.Tables] = [:]
            for host in hosts {
                let status = try await offload { () throws(KitError) in
                    try AgentSocket(path: host.socket).status()
                }
                // n VMs of an application that the host must know: a /32, a /128 and a nexthop each, and n² pairs.
                let onePerVM = status.applications.reduce(0) { sum, application in
                    let n = counts[application] ?? 0
                    return sum + 3 * n + n * n
                }
                let tables = status.dataplane ?? AgentStatusReport.Dataplane()
                found[host.name] = Report.Tables(
                    routes: tables.routes, nexthops: tables.nexthops, nftElements: tables.nftElements,
                    onePerVM: onePerVM)
            }
            tables = found
            vmsAtTables = vms
        } catch {
            problems.append("\(error)")
        }
    }

    var idleMean: Double? {
        guard !idle.isEmpty else { return nil }
        return (Double(idle.reduce(0, +)) / Double(idle.count) * 10).rounded() / 10
    }
}
