import Allocation
import FleetProtocol
import NetworkTypes
import SNISpace

/// Where launches go and what hosts carry: what this process has seen, which is enough to place a block.
struct LaunchPlaces: Sendable {
    private(set) var load = FleetLoad([:])
    private(set) var habits: [ApplicationID: PlacementHabit] = [:]
    private(set) var prior = PlacementPrior()
    /// Of blocks leased ahead.
    var lead = MeasuredLead()
    /// Applications with launches since they were decided about.
    var launched: Set<ApplicationID> = []

    /// Counts anew.
    mutating func follow(_ totals: [HostID: Int], of hosts: some Sequence<HostID>) {
        var all: [HostID: Int] = [:]
        for host in hosts { all[host] = totals[host] ?? 0 }
        load = FleetLoad(all, peak: load.peak)
    }

    mutating func launch(_ application: ApplicationID, on host: HostID, own: ApplicationLoad, at now: Instant) {
        guard let index = load.index(of: host) else { return }
        let ranks = PlacementRanks(of: index, own, load)
        habits[application, default: PlacementHabit()].learn(ranks, hosts: load.count, prior: &prior, at: now)
        load.add(1, on: host)
        launched.insert(application)
    }

    mutating func stop(on host: HostID) { load.add(-1, on: host) }

    mutating func forget(_ application: ApplicationID) {
        habits[application] = nil
        launched.remove(application)
    }

    func habit(of application: ApplicationID) -> PlacementHabit { habits[application] ?? PlacementHabit() }
}

/// Blocks that their hosts were asked for and that their application keeps.
struct Recalls: Sendable {
    private var owners: [SNIBlock: ApplicationID] = [:]
    private var sizes: [ApplicationID: Int] = [:]

    mutating func insert(_ block: SNIBlock, of application: ApplicationID) {
        guard owners.updateValue(application, forKey: block) == nil else { return }
        sizes[application, default: 0] += block.size
    }

    /// - Returns: false for a block that nobody keeps.
    @discardableResult mutating func remove(_ block: SNIBlock) -> Bool {
        guard let application = owners.removeValue(forKey: block) else { return false }
        let left = (sizes[application] ?? 0) - block.size
        sizes[application] = left > 0 ? left : nil
        return true
    }

    /// Identifiers on their way back to what an application has reserved.
    func identifiers(of application: ApplicationID) -> Int { sizes[application] ?? 0 }
}

/// Predictive Allocator: what is expected of hosts, and what follows launches between decisions.
extension CoordinatorMachine {
    /// Reports come in bursts: what they took is staged again so long after the first.
    private static let followAfter = Duration.seconds(1)

    /// Before they are counted.
    mutating func observeLaunches(_ records: [BindingRecord], on host: HostID) {
        for record in records {
            let known = state.bindings.byHost[host]?[record.sni.rawValue]?.record.state
            switch record.state {
            case .bound where known != .bound && known != .held:
                live.places.launch(record.application, on: host, own: ownLoad(of: record.application), at: now)
            case .cooling, .ended:
                if known == .bound || known == .held { live.places.stop(on: host) }
            default: break
            }
        }
        followSoon()
    }

    private mutating func followSoon() {
        guard !live.places.launched.isEmpty, live.timers.deadline(.follow) == nil else { return }
        live.timers.arm(.follow, at: now + Self.followAfter)
    }

    /// What a decision reserved is leased without waiting for the next one.
    mutating func follow(_ decision: AllocationDecision) {
        guard decision.reserve != nil, state.applications[decision.application]?.policy.mode == .stage else { return }
        live.places.launched.insert(decision.application)
        followSoon()
    }

    private func ownLoad(of application: ApplicationID) -> ApplicationLoad {
        let vms = state.bindings.bySeat[application] ?? [:]
        let recent = state.recentLaunches[application] ?? [:]
        let time = state.time(of: state.slot)
        return ApplicationLoad(
            Set(vms.keys).union(recent.keys).compactMap { host in
                live.places.load.index(of: host).map { index in
                    .init(host: index, vms: vms[host] ?? 0, recent: recent[host]?.value(at: time) ?? 0)
                }
            })
    }

    /// Nil without a rule that knows the application: then watermarks decide.
    func outlook(for record: ApplicationRecord) -> PlacementOutlook? {
        guard record.policy.mode == .stage, let advice = marginal(of: record.id, at: now) else { return nil }
        let inUse = state.bindings.byApplication[record.id] ?? 0
        return PlacementOutlook(
            advice: advice, next: PredictiveAllocator.launchesAhead(advice, inUse: inUse),
            costRatio: state.costRatio(of: record.policy), own: ownLoad(of: record.id), load: live.places.load,
            habit: live.places.habit(of: record.id), prior: live.places.prior, at: now
        ) { mayLease($0) ? configuration.hostWeights[$0] ?? 1 : 0 }
    }

    /// Launches since the last decision may have taken what was staged.
    mutating func followLaunches() {
        let launched = live.places.launched.sorted()
        live.places.launched = []
        guard !state.restoration.isOn else { return }
        for id in launched {
            // What the first asks for is there for the second to lease.
            for _ in 0..<2 {
                guard let record = state.applications[id], !record.deleting,
                    let decision = PredictiveAllocator(settings: settings(for: record)).follow(
                        input(for: record), at: now)
                else { break }
                reserve(decision)
                lease(decision)
                guard decision.reserve != nil else { break }
            }
        }
    }

    /// A block that was taken back for its application's other hosts is reserved again as soon as it is free.
    mutating func keepRecalled(_ block: SNIBlock, for application: ApplicationID) {
        guard live.recalled.remove(block), let record = state.applications[application], !record.deleting,
            state.book.lease(of: block) == nil
        else { return }
        let id = ReservationID(.random(using: &randomness))
        let lifetime = configuration.reservationLifetime
        try? book { (book) throws(BookError) in
            try book.reserve(
                id: id, application: application, count: block.size, blockOrder: BlockPolicy.orders.lowerBound,
                predicted: true, lifetime: lifetime, reason: "taken back for other hosts")
        }
    }

    /// What a launch without an identifier asks for besides its block, so that the next ones find it.
    func reserveBeside(_ application: ApplicationID) -> Int {
        guard let record = state.applications[application], record.policy.mode == .stage,
            marginal(of: application, at: now) != nil
        else { return 0 }
        let marks = StagingMarks(
            rate: live.places.habit(of: application).launchesPerHour(at: now),
            worth: PlacementOutlook.worth(costRatio: state.costRatio(of: record.policy)))
        return max(marks.high, StagingMarks.fillLeast)
    }
}
