import Allocation
import NetworkTypes
import SimulationKit

/// A fleet as large as is promised, and decisions about all of its applications the way the coordinator takes them: rule,
/// outlook on hosts, what goes where.
struct FleetDecisions {
    static let applicationCount = 100_000
    static let hostCount = 10_000

    private struct Known {
        var id: ApplicationID
        var rule: Int
        var habit = PlacementHabit()
        var memory = AllocationMemory()
        /// By index of the host.
        var vms: [Int: Int] = [:]
        var blocks: [OwnedBlock] = []
    }

    private let policy: MarginalPolicy
    private let allocator = PredictiveAllocator(settings: AllocationSettings())
    /// Fewer than there are applications, and more than any cache holds; each has its own memory.
    private var rules: [MarginalAllocator]
    private var load: FleetLoad
    private var prior = PlacementPrior()
    private var applications: [Known] = []
    private var generator = SeededGenerator(seed: 6)
    private var first = UInt32(4096)
    private var now = Instant(nanoseconds: 0)

    /// - Parameter rules: what applications have learnt.
    init(rules: [MarginalAllocator], policy: MarginalPolicy) {
        (self.rules, self.policy) = (rules, policy)
        let hosts = (0..<Self.hostCount).compactMap { HostID("host-\($0)") }
        load = FleetLoad(Dictionary(uniqueKeysWithValues: hosts.map { ($0, 0) }))
        for index in 0..<Self.applicationCount { add(index) }
    }

    var vms: Int { applications.reduce(0) { $0 + $1.vms.values.reduce(0, +) } }
    var largest: Int { applications.map { $0.vms.values.reduce(0, +) }.max() ?? 0 }

    /// Most have one VM or a few, one in a hundred has hundreds.
    private mutating func size() -> Int {
        switch generator.integer(in: 1...100) {
        case 1...60: 1
        case 61...90: generator.integer(in: 2...20)
        case 91...99: generator.integer(in: 20...100)
        default: generator.integer(in: 100...500)
        }
    }

    private mutating func add(_ index: Int) {
        var known = Known(
            id: ApplicationID(UUID128(high: 6, low: UInt64(index))), rule: index % rules.count)
        let size = size()
        // What a habit remembers of: one launch more would only take the place of another.
        let learnt = max(0, size - 60)
        for vm in 0..<size {
            let host = place(known, isSticky: index % 2 == 0)
            if vm >= learnt {
                let ranks = PlacementRanks(of: host, own(known), load)
                // At any time of the day before.
                let time = now + .seconds(generator.integer(in: -86_400...0))
                known.habit.learn(ranks, hosts: load.count, prior: &prior, at: time)
            }
            known.vms[host, default: 0] += 1
            load.add(1, on: load.hosts[host])
        }
        known.blocks = known.vms.sorted { $0.key < $1.key }.map { block($0.value, on: $0.key) }
        applications.append(known)
    }

    /// The emptier of two hosts, as balancers do, or where the application has been before.
    private mutating func place(_ known: Known, isSticky: Bool) -> Int {
        if isSticky, generator.chance(0.5), let host = known.vms.keys.min() { return host }
        let (one, other) = (
            generator.integer(in: 0...load.count - 1), generator.integer(in: 0...load.count - 1)
        )
        return load.total(one) <= load.total(other) ? one : other
    }

    private mutating func block(_ vms: Int, on host: Int) -> OwnedBlock {
        let size = UInt32(BlockPolicy.orders.first { 1 << $0 > vms }.map { 1 << $0 } ?? 256)
        first = (first + size - 1) / size * size
        guard let block = SNIBlock(first: SessionNetworkID(unchecked: first), size: Int(size)) else {
            preconditionFailure("no block of \(size) begins at \(first)")
        }
        first += size
        return OwnedBlock(block: block, host: load.hosts[host], inUse: min(vms, Int(size)))
    }

    private func own(_ known: Known) -> ApplicationLoad {
        ApplicationLoad(known.vms.map { .init(host: $0.key, vms: $0.value, recent: Double($0.value) / 4) })
    }

    private func input(_ known: Known, _ advice: MarginalAdvice?) -> AllocationInput {
        let inUse = known.vms.values.reduce(0, +)
        let outlook = advice.map { advice in
            PlacementOutlook(
                advice: advice, next: PredictiveAllocator.launchesAhead(advice, inUse: inUse),
                costRatio: policy.costRatio, own: own(known), load: load, habit: known.habit, prior: prior, at: now)
        }
        let demands = (outlook?.seats ?? [:]).keys.map { host in
            HostDemand(host: host, inUse: load.index(of: host).flatMap { known.vms[$0] } ?? 0)
        }
        return AllocationInput(
            application: known.id, policy: AllocationPolicy(), hosts: demands, blocks: known.blocks, outlook: outlook)
    }

    /// A tick of every application ends.
    ///
    /// - Returns: leases, identifiers to reserve and releases that were decided on.
    mutating func decideAll() -> Int {
        var changes = 0
        now = now + .seconds(300)
        for index in applications.indices {
            let decided = rules[applications[index].rule].endTick(policy, constants: .shipped)
            let input = input(applications[index], MarginalAdvice(decided))
            let decision = allocator.decide(input, memory: &applications[index].memory, at: now)
            changes += decision.leases.count + (decision.reserve?.identifiers ?? 0) + decision.releases.count
        }
        return changes
    }

    /// One VM more of one application, as far as what is staged for it again.
    private mutating func change(_ index: Int, _ advice: MarginalAdvice, on host: Int) -> Int {
        now = now + .milliseconds(1)
        rules[applications[index].rule].launch(at: 1)
        let ranks = PlacementRanks(of: host, own(applications[index]), load)
        applications[index].habit.learn(ranks, hosts: load.count, prior: &prior, at: now)
        load.add(1, on: load.hosts[host])
        applications[index].vms[host, default: 0] += 1
        let place = applications[index].blocks.firstIndex { $0.host == load.hosts[host] && $0.inUse < $0.block.size }
        if let place { applications[index].blocks[place].inUse += 1 }
        let decision = allocator.follow(input(applications[index], advice), at: now)
        return (decision?.leases.count ?? 0) + (decision?.reserve?.identifiers ?? 0)
    }

    /// - Returns: nanoseconds of each, ascending.
    mutating func change(_ count: Int) -> [Int64] {
        var timer = SpaceTimer()
        for _ in 0..<count {
            let index = generator.integer(in: 0...applications.count - 1)
            let host = place(applications[index], isSticky: index % 2 == 0)
            var copy = rules[applications[index].rule]
            guard let advice = MarginalAdvice(copy.endTick(policy, constants: .shipped)) else { continue }
            _ = timer.measure { change(index, advice, on: host) }
        }
        return timer.singles.sorted()
    }
}
