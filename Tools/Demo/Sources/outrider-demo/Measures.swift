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

/// Counts what the kernels of other hosts were told because of a launch, and apart from it what staging blocks took.
///
/// The kernels' own announcements are read, not the writers' counters. The first route or nexthop of a block in a
/// namespace stages the block there, its removal ends that; everything else that names the identifier or its block
/// between the attach call and the first reply counts for the launch.
struct PeerMessages {
    /// Change messages per staged launch, nil without staged launches that got a reply.
    let perStagedLaunch: Double?
    /// Some of the messages behind it, for the eye.
    let examples: [String]
    /// Change messages that staging blocks took.
    let staging: Int
    /// Blocks staged, once for every host that learned one.
    let stagedBlocks: Int

    init(launches: [LaunchRecord], events: [KernelEvent], topology: Topology) {
        let hosts = topology.cluster.hosts
        let (staging, others) = Self.split(events.filter(\.isTableChange))
        self.staging = staging.count
        stagedBlocks = staging.count { $0.type == Self.newNexthop }
        var messages = 0
        var counted = 0
        var examples: [String] = []
        for launch in launches where launch.servedFrom == "staged" {
            guard let replied = launch.replied, let block = topology.block(around: launch.sni) else { continue }
            counted += 1
            let own = hosts[launch.host].overlayNamespace
            let patterns = Patterns(launch.sni, in: block)
            var index = others.partitioningIndex { $0.at >= launch.started }
            while index < others.count, others[index].at <= replied {
                let event = others[index]
                index += 1
                guard event.namespace != own, patterns.match(event) else { continue }
                messages += 1
                if examples.count < 5 {
                    examples.append("SNI \(launch.sni): message \(event.type) in \(event.namespace)")
                }
            }
        }
        perStagedLaunch = counted == 0 ? nil : Double(messages) / Double(counted)
        self.examples = examples
    }

    // linux/rtnetlink.h
    private static let newRoute: UInt16 = 24
    private static let deleteRoute: UInt16 = 25
    private static let newNexthop: UInt16 = 104
    private static let deleteNexthop: UInt16 = 105
    /// Neighbor entries that the kernel makes by itself carry no writer.
    private static let neighborTypes: ClosedRange<UInt16> = 28...29

    /// Staging of blocks, and everything else.
    private static func split(_ events: [KernelEvent]) -> (staging: [KernelEvent], others: [KernelEvent]) {
        struct Place: Hashable {
            var namespace: String
            var isNexthop: Bool
            var key: ArraySlice<UInt8>
        }
        var present: Set<Place> = []
        var staging: [KernelEvent] = []
        var others: [KernelEvent] = []
        for event in events {
            guard !(event.writer == 0 && neighborTypes.contains(event.type)) else { continue }
            guard let key = blockKey(event) else {
                others.append(event)
                continue
            }
            let isNexthop = event.type == newNexthop || event.type == deleteNexthop
            let place = Place(namespace: event.namespace, isNexthop: isNexthop, key: key)
            switch event.type {
            case newRoute, newNexthop: present.insert(place).inserted ? staging.append(event) : others.append(event)
            default: present.remove(place) == nil ? others.append(event) : staging.append(event)
            }
        }
        return (staging, others)
    }

    /// What identifies the block that a route on a nexthop, or a nexthop, is about.
    private static func blockKey(_ event: KernelEvent) -> ArraySlice<UInt8>? {
        switch event.type {
        // struct rtmsg (12 bytes, family and length first), then attributes; RTA_NH_ID is 30, RTA_DST 1.
        case newRoute, deleteRoute:
            guard event.attribute(30, after: 12) != nil, let destination = event.attribute(1, after: 12) else {
                return nil
            }
            return event.body[..<2] + destination
        // struct nhmsg (8 bytes); NHA_ID is 1.
        case newNexthop, deleteNexthop: return event.attribute(1, after: 8)
        default: return nil
        }
    }

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
            filters = sni == block.first || sni == block.last ? [] : own
        }

        func match(_ event: KernelEvent) -> Bool {
            (event.isFilterChange ? filters : routes).contains(where: event.mentions)
        }
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
