import ArgumentParser
import ControlAPI
import SwiftProtobuf

/// The parts of a policy on the command line; what is not given stays as it is.
struct PolicyOptions: ParsableArguments {
    @Option(help: "Priority class: its quantile, and who yields under shortage.")
    var priority: PriorityArgument?

    @Option(help: "How far prediction may act: only show, reserve ranges, or stage at the hosts.")
    var mode: ModeArgument?

    @Option(help: "Free identifiers that are always kept.")
    var floor: UInt32?

    @Option(help: "Most identifiers it may own; 0 means no bound.")
    var cap: UInt32?

    @Option(help: ArgumentHelp("Fewer free identifiers than this cause a refill.", valueName: "count"))
    var lowWatermark: UInt32?

    @Option(help: ArgumentHelp("Refill up to this many; 0 means one block.", valueName: "count"))
    var highWatermark: UInt32?

    @Option(help: "Confidence above which ranges are reserved ahead, 0 ... 1; 0 means by priority.")
    var threshold: Double?

    @Option(help: "Identifiers in a block leased to a host: 4, 8, ... 256; 0 means the default.")
    var blockSize: UInt32?

    @Option(
        help: ArgumentHelp(
            "What a launch that finds no identifier costs, in idle hours of one identifier; 0 means by priority.",
            valueName: "ratio"))
    var costRatio: Double?

    @Option(help: ArgumentHelp("Let it talk to this application (both must allow it).", valueName: "application"))
    var allow: [String] = []

    @Option(help: ArgumentHelp("Take that back.", valueName: "application"))
    var disallow: [String] = []

    /// `policy` with what was given.
    func applied(to policy: Outrider_V1_ApplicationPolicy, _ coordinator: Coordinator) async throws
        -> Outrider_V1_ApplicationPolicy
    {
        var policy = policy
        if let priority { policy.priority = priority.message }
        if let mode { policy.mode = mode.message }
        if let floor { policy.floor = floor }
        if let cap { policy.cap = cap }
        if let lowWatermark { policy.lowWatermark = lowWatermark }
        if let highWatermark { policy.highWatermark = highWatermark }
        if let threshold { policy.threshold = threshold }
        if let blockSize { policy.blockSize = blockSize }
        if let costRatio { policy.costRatio = costRatio }
        let added = try await identities(of: allow, coordinator)
        let removed = try await identities(of: disallow, coordinator)
        policy.allowedApplications.removeAll { removed.contains($0) || added.contains($0) }
        policy.allowedApplications += added
        return policy
    }

    /// Policies name applications by id: a name may later belong to somebody else.
    private func identities(of names: [String], _ coordinator: Coordinator) async throws -> [String] {
        var result: [String] = []
        for name in names {
            let found = try await coordinator.sessions.getApplication(
                .with { $0.application = name }, options: coordinator.call)
            if !result.contains(found.id) { result.append(found.id) }
        }
        return result
    }
}
