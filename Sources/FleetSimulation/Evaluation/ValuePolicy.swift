import Allocation
import NetworkTypes

/// The product's allocator with the rule of marginal value and where it expects launches.
struct ValuePolicy: EvaluatedPolicy {
    private let rule: MarginalPolicy
    private let constants = MarginalConstants.shipped
    private let allocator: PredictiveAllocator
    private let hosts: [HostID]
    private let names: [ApplicationID]
    private let begin: Instant
    private var applications: [Known]
    private var shares: HostShares
    private var load: FleetLoad
    private var prior = PlacementPrior()

    private struct Known: Sendable {
        var marginal = MarginalAllocator()
        var advice: MarginalAdvice?
        /// Ticks that are over.
        var ticks: Int64 = 0
        var habit = PlacementHabit()
        var memory = AllocationMemory()
        /// VMs by host.
        var vms: [Int: Int] = [:]
    }

    private static let tick = Duration.seconds(300)

    /// - Parameter begin: not after the first event; ticks count from it.
    init(_ rule: MarginalPolicy, names: EvaluationNames, plan: EvaluationPlan, begin: Instant) {
        self.rule = rule
        hosts = names.hosts
        self.names = names.applications
        self.begin = begin
        allocator = PredictiveAllocator(
            settings: AllocationSettings(
                blockSize: 1 << SNIBlock.orders.lowerBound, decisionInterval: plan.decisionInterval,
                leadTime: plan.leadTime))
        applications = names.applications.map { _ in Known() }
        shares = HostShares(applications: names.applications.count, hosts: plan.hosts)
        load = FleetLoad(Dictionary(uniqueKeysWithValues: names.hosts.map { ($0, 0) }))
    }

    var name: String { "value:\(fixed(rule.costRatio, 0))" }

    mutating func observe(_ event: EvaluationEvent) {
        let host = hosts[event.host]
        close(event.application, at: event.at)
        let offset = (event.at - begin).inSeconds - Double(applications[event.application].ticks) * Self.tick.inSeconds
        if event.isLaunch {
            applications[event.application].marginal.launch(at: offset)
            if let index = load.index(of: host) {
                let ranks = PlacementRanks(of: index, own(event.application, at: event.at), load)
                applications[event.application].habit.learn(ranks, hosts: hosts.count, prior: &prior, at: event.at)
            }
        } else {
            applications[event.application].marginal.stop(at: offset)
        }
        applications[event.application].vms[event.host, default: 0] += event.isLaunch ? 1 : -1
        load.add(event.isLaunch ? 1 : -1, on: host)
        shares.observe(event)
    }

    private mutating func close(_ application: Int, at now: Instant) {
        let present = (now - begin).inNanoseconds / Self.tick.inNanoseconds
        while applications[application].ticks < present {
            let decision = applications[application].marginal.endTick(rule, constants: constants)
            applications[application].advice = MarginalAdvice(decision)
            applications[application].ticks += 1
        }
    }

    private func own(_ application: Int, at now: Instant) -> ApplicationLoad {
        let recent = shares.recent(application, at: now)
        return ApplicationLoad(
            hosts.indices.compactMap { host in
                load.index(of: hosts[host]).map { index in
                    .init(host: index, vms: applications[application].vms[host] ?? 0, recent: recent[host])
                }
            })
    }

    mutating func decide(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [AllocationStep] {
        close(application, at: now)
        let input = input(application, own, at: now)
        return steps(allocator.decide(input, memory: &applications[application].memory, at: now), own)
    }

    mutating func react(to event: EvaluationEvent, _ own: ApplicationHoldings) -> [AllocationStep] {
        guard event.isLaunch, let decision = allocator.follow(input(event.application, own, at: event.at), at: event.at)
        else { return [] }
        return steps(decision, own)
    }

    func order(_ application: Int, host: Int, _ own: ApplicationHoldings, at now: Instant) -> Int {
        SNIBlock.orders.lowerBound
    }

    func fill(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> Int {
        let marks = StagingMarks(
            rate: applications[application].habit.launchesPerHour(at: now),
            worth: PlacementOutlook.worth(costRatio: rule.costRatio))
        return max(marks.high, StagingMarks.fillLeast)
    }

    private func input(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> AllocationInput {
        var outlook: PlacementOutlook?
        if let advice = applications[application].advice {
            outlook = PlacementOutlook(
                advice: advice, next: PredictiveAllocator.launchesAhead(advice, inUse: own.bound),
                costRatio: rule.costRatio,
                own: self.own(application, at: now), load: load, habit: applications[application].habit, prior: prior,
                at: now)
        }
        var demands: [HostDemand] = []
        for (index, host) in hosts.enumerated() where outlook?.seats[host] != nil || !own.blocks[index].isEmpty {
            demands.append(
                HostDemand(host: host, inUse: own.bound(on: index), cooling: own.cooling(on: index, at: now)))
        }
        return AllocationInput(
            application: names[application], policy: AllocationPolicy(), hosts: demands,
            blocks: blocks(own, at: now), outlook: outlook, returning: own.returning + own.requested)
    }

    private func blocks(_ own: ApplicationHoldings, at now: Instant) -> [OwnedBlock] {
        var blocks: [OwnedBlock] = []
        for host in own.carriers {
            for block in own.blocks[host] where !block.isMarked {
                blocks.append(
                    OwnedBlock(
                        block: block.block, host: hosts[host], inUse: block.held.bound,
                        cooling: block.cooling(at: now), idleSince: block.held.emptySince))
            }
        }
        return blocks + ApplicationHoldings.places(own.reserved, order: SNIBlock.orders.lowerBound)
    }

    private func steps(_ decision: AllocationDecision, _ own: ApplicationHoldings) -> [AllocationStep] {
        var steps: [AllocationStep] = []
        for lease in decision.leases {
            guard let host = load.index(of: lease.host).flatMap({ hosts.firstIndex(of: load.hosts[$0]) }) else {
                continue
            }
            steps.append(.lease(host: host, order: lease.order))
        }
        if let reserve = decision.reserve, own.requested == 0 {
            steps.append(.reserve(identifiers: reserve.identifiers))
        }
        for release in decision.releases {
            guard let name = release.host else {
                steps.append(.unreserve(identifiers: release.block.size))
                continue
            }
            guard let host = hosts.firstIndex(of: name) else { continue }
            steps.append(
                release.isRecall ? .recall(release.block, host: host) : .giveBack(release.block, host: host))
        }
        return steps
    }
}
