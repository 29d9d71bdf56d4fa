import NetworkTypes
import SimulationKit

@testable import Allocation

/// One application's blocks, where VMs come and go and every decision is carried out at once; what is taken back or asked
/// for is there a step later.
struct StagingWorld {
    var policy: AllocationPolicy
    var orchestrator: MadeUpOrchestrator
    var blocks: [OwnedBlock] = []
    var memory = AllocationMemory()
    private var returning = 0
    private var closed: Set<HostID> = []
    private(set) var now = start
    private var next = UInt32(4096)
    private static let allocator = PredictiveAllocator(settings: AllocationSettings(blockSize: 4))

    init(
        _ policy: AllocationPolicy, kind: MadeUpOrchestrator.Kind = .spreads, hosts: Int, reserved: Int,
        _ generator: inout SeededGenerator
    ) {
        self.policy = policy
        orchestrator = MadeUpOrchestrator(kind, hosts: hosts, &generator)
        add(reserved, on: nil)
    }

    /// Whole blocks, the largest first.
    mutating func add(_ identifiers: Int, on host: HostID?, idleSince: Instant? = nil) {
        var left = UInt32(max(0, identifiers)) & ~3
        while left > 0 {
            let size = min(256, UInt32(1) << UInt32(UInt32.bitWidth - 1 - left.leadingZeroBitCount))
            next = (next + size - 1) / size * size
            guard let block = SNIBlock(first: SessionNetworkID(unchecked: next), size: Int(size)) else { return }
            blocks.append(OwnedBlock(block: block, host: host, idleSince: idleSince))
            next += size
            left -= size
        }
    }

    /// A launch takes an identifier of its host's, or a new block, like a launch that waits would.
    mutating func launch(_ generator: inout SeededGenerator) {
        let before = orchestrator.vms
        orchestrator.launch(at: now, &generator)
        guard let host = orchestrator.vms.first(where: { before[$0.key] != $0.value })?.key else { return }
        let name = orchestrator.load.hosts[host]
        func isFree(_ block: OwnedBlock) -> Bool {
            block.host == name && block.inUse + block.cooling < block.block.size
        }
        if !blocks.contains(where: isFree) { add(4, on: name) }
        if let place = blocks.firstIndex(where: isFree) { blocks[place].inUse += 1 }
    }

    mutating func churn(_ generator: inout SeededGenerator) {
        for place in blocks.indices where blocks[place].inUse > 0 && generator.chance(0.1) {
            blocks[place].inUse -= 1
            if generator.chance(0.3) { blocks[place].cooling += 1 }
            if blocks[place].inUse == 0 { blocks[place].idleSince = now }
        }
        for place in blocks.indices where blocks[place].cooling > 0 && generator.chance(0.5) {
            blocks[place].cooling = 0
            if blocks[place].inUse == 0 { blocks[place].idleSince = now }
        }
        if generator.chance(0.1) { closed = Set(orchestrator.load.hosts.filter { _ in generator.chance(0.2) }) }
    }

    func input(next launches: Int, advice: MarginalAdvice) -> AllocationInput {
        let outlook = PlacementOutlook(
            advice: advice, next: launches, costRatio: 20, own: orchestrator.own, load: orchestrator.load,
            habit: orchestrator.habit, prior: orchestrator.prior, at: now
        ) { closed.contains($0) ? 0 : 1 }
        let names = Set(outlook.seats.keys).union(blocks.compactMap(\.host))
        let demands = names.sorted().map { name in
            let own = blocks.filter { $0.host == name }
            return HostDemand(
                host: name, inUse: own.reduce(0) { $0 + $1.inUse }, cooling: own.reduce(0) { $0 + $1.cooling },
                acceptsLeases: !closed.contains(name))
        }
        return AllocationInput(
            application: application, policy: policy, hosts: demands, blocks: blocks, outlook: outlook,
            returning: returning)
    }

    mutating func decide(_ input: AllocationInput) -> AllocationDecision {
        Self.allocator.decide(input, memory: &memory, at: now)
    }
    func follow(_ input: AllocationInput) -> AllocationDecision? { Self.allocator.follow(input, at: now) }

    /// Carries a decision out, and lets time pass.
    mutating func carry(_ decision: AllocationDecision, _ step: Duration = .seconds(60)) {
        add(returning, on: nil)
        returning = 0
        let sizes = decision.leases.reduce(0) { $0 + 1 << $1.order }
        let unreserved = decision.releases.reduce(0) { $1.host == nil ? $0 + $1.block.size : $0 }
        let reserved = blocks.reduce(0) { $1.host == nil ? $0 + $1.block.size : $0 }
        for release in decision.releases where release.host != nil {
            blocks.removeAll { $0.block == release.block }
            if release.isRecall { returning += release.block.size }
        }
        blocks.removeAll { $0.host == nil }
        add(reserved - sizes - unreserved + (decision.reserve?.identifiers ?? 0), on: nil)
        for lease in decision.leases { add(1 << lease.order, on: lease.host, idleSince: now) }
        now = now + step
    }

    mutating func pass(_ step: Duration) { now = now + step }
}
