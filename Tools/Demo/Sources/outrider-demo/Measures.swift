import LocalAPI
import NamespaceKit
import NetworkTypes

/// What is looked at beside the launches while the days pass.
actor Measures {
    private let topology: Topology
    private let launcher: Launcher
    private(set) var idle: [Int] = []
    private(set) var predictedReservationsMost = 0
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
            let predicted = try await offload { () throws(KitError) in try daemons.predictedReservations() }
            predictedReservationsMost = max(predictedReservationsMost, predicted)
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

/// Counts what the kernels of other hosts were told because of a launch.
struct PeerMessages {
    /// Change messages per staged launch, nil without staged launches that got a reply.
    let perStagedLaunch: Double?
    /// The messages behind it, for the eye.
    let examples: [String]
    /// Change messages that staging blocks took, apart from launches.
    let staging: Int
    /// Blocks staged, once for every host that learned one.
    let stagedBlocks: Int

    /// RTM_NEWNEXTHOP: one for every block that a host learns of another.
    private static let newNexthop: UInt16 = 104
    private static let newRoute: UInt16 = 24
    /// Neighbor entries that the kernel makes by itself carry no writer.
    private static let neighborTypes: ClosedRange<UInt16> = 28...29

    /// Bytes by which a message is known to be about an identifier or its block.
    private struct Patterns {
        var routes: [[UInt8]]
        var filters: [[UInt8]]

        init(_ sni: SessionNetworkID, in block: SNIBlock) {
            let plan = OverlayPlan.standard
            let own = [plan.ipv4(of: sni).bytes, plan.ipv6(of: sni).bytes]
            // A /72 of the first identifier: nine bytes.
            let network = Array(plan.ipv6Prefix(of: block).bytes.prefix(9))
            routes = own + [plan.ipv4(of: block.first).bytes, network]
            // The filter's pairs name the ends of whole ranges; only inside a block is an address nobody else's.
            filters = sni == block.first ? [] : own
        }

        func match(_ event: KernelEvent) -> Bool {
            (event.isFilterChange ? filters : routes).contains(where: event.mentions)
        }
    }

    init(launches: [LaunchRecord], events: [KernelEvent], topology: Topology) {
        let hosts = topology.cluster.hosts
        let changes = events.filter { event in
            event.isTableChange && !(event.writer == 0 && Self.neighborTypes.contains(event.type))
        }
        var messages = 0
        var counted = 0
        var examples: [String] = []
        for launch in launches where launch.servedFrom == "staged" {
            guard let replied = launch.replied, let block = topology.block(around: launch.sni) else { continue }
            counted += 1
            let own = hosts[launch.host].overlayNamespace
            let patterns = Patterns(launch.sni, in: block)
            var low = changes.partitioningIndex { $0.at >= launch.started }
            while low < changes.count, changes[low].at <= replied {
                let event = changes[low]
                low += 1
                guard event.namespace != own, patterns.match(event) else { continue }
                messages += 1
                if examples.count < 5 {
                    examples.append(
                        "SNI \(launch.sni): message \(event.type) in \(event.namespace), \(event.body.prefix(64))")
                }
            }
        }
        perStagedLaunch = counted == 0 ? nil : Double(messages) / Double(counted)
        self.examples = examples
        let overlays = Set(hosts.map(\.overlayNamespace))
        let staged = changes.filter { $0.type == Self.newNexthop && overlays.contains($0.namespace) }
        stagedBlocks = staged.count
        // A block costs its nexthop and one route in each family; routes on nexthops carry RTA_NH_ID (30), 8 bytes long.
        staging = staged.count + changes.count { $0.type == Self.newRoute && $0.mentions([8, 0, 30, 0]) }
    }
}

extension Array {
    /// Index of the first element for which the predicate holds, when it holds for all that follow.
    func partitioningIndex(where predicate: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if predicate(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
