import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Staging: what a plan keeps to")
struct StagingPlanTests {
    private func policy(_ generator: inout SeededGenerator) -> AllocationPolicy {
        AllocationPolicy(
            floor: generator.chance(0.5) ? 0 : generator.integer(in: 1...40),
            cap: generator.chance(0.6) ? nil : generator.integer(in: 40...300),
            lowWatermark: generator.chance(0.5) ? nil : generator.integer(in: 1...6))
    }

    private func kind(_ generator: inout SeededGenerator) -> MadeUpOrchestrator.Kind {
        generator.pick(from: MadeUpOrchestrator.Kind.allCases) ?? .draws
    }

    @Test func everyPlanKeepsTheRules() throws {
        try property("staging", iterations: 60) { generator in
            let policy = policy(&generator)
            var world = StagingWorld(
                policy, kind: kind(&generator), hosts: generator.integer(in: 1...12),
                reserved: 4 * generator.integer(in: 0...20), &generator)
            for _ in 0..<60 {
                for _ in 0..<generator.integer(in: 0...3) { world.launch(&generator) }
                world.churn(&generator)
                let advice = advice(target: generator.integer(in: 0...60), extra: generator.integer(in: 0...8))
                var input = world.input(next: generator.integer(in: 0...20), advice: advice)
                input.pendingElsewhere = generator.chance(0.1) ? 3 : 0
                if let followed = world.follow(input) {
                    try check(followed, of: input, at: world.now)
                    try hold(followed.releases.isEmpty, "a launch takes back \(followed.releases)")
                }
                let decision = world.decide(input)
                try check(decision, of: input, at: world.now)
                try checkFloors(decision, of: input)
                world.carry(decision)
            }
        }
    }

    private func check(_ decision: AllocationDecision, of input: AllocationInput, at now: Instant) throws {
        let reserved = input.blocks.filter { $0.host == nil }
        let sum = reserved.reduce(0) { $0 + $1.block.size }
        let leased = decision.leases.reduce(0) { $0 + 1 << $1.order }
        try hold(leased <= sum, "leases \(leased) of \(sum) that are reserved")
        let open = Set(input.hosts.filter(\.acceptsLeases).map(\.host))
        try hold(decision.leases.allSatisfy { open.contains($0.host) }, "leases to who takes none: \(decision.leases)")
        let order = decision.reserve?.identifiers ?? 0
        try hold(order % 4 == 0, "\(order) is not whole blocks")
        if let cap = input.policy.cap, order > 0 {
            let owned = input.blocks.reduce(0) { $0 + $1.block.size } + input.returning
            try hold(owned + order <= cap, "owns \(owned), asks for \(order), cap \(cap)")
        }
        var seen: Set<SNIBlock> = []
        for release in decision.releases where release.host != nil {
            try hold(seen.insert(release.block).inserted, "\(release.block) goes twice")
            guard let block = input.blocks.first(where: { $0.block == release.block }) else {
                throw PropertyViolation("\(release.block) is nobody's")
            }
            try hold(block.host == release.host && block.inUse == 0 && block.cooling == 0, "\(block) is in use")
            try hold(block.idleSince.map { now - $0 >= .seconds(60) } ?? true, "\(block) has not rested")
        }
        try checkPieces(decision, reserved.map(\.block), left: sum - leased, of: input)
    }

    /// What goes out of the reserve: disjoint pieces of what is reserved, and no more than is beyond the high mark.
    private func checkPieces(
        _ decision: AllocationDecision, _ reserved: [SNIBlock], left: Int, of input: AllocationInput
    ) throws {
        let pieces = decision.releases.filter { $0.host == nil }.map(\.block)
        for (index, piece) in pieces.enumerated() {
            try hold(!pieces[..<index].contains { $0.range.overlaps(piece.range) }, "\(piece) goes twice")
            let owner = reserved.first { $0.range.overlaps(piece.range) }
            let isInside = owner.map { $0.first <= piece.first && piece.range.end <= $0.range.end } ?? false
            try hold(isInside, "\(piece) is not of \(reserved)")
            try hold(!pieces[..<index].contains { $0 < piece && owner?.range.overlaps($0.range) ?? false }, "low first")
        }
        guard !pieces.isEmpty, let outlook = input.outlook else { return }
        let total = pieces.reduce(0) { $0 + $1.size }
        let free = input.blocks.reduce(0) { $1.host == nil ? $0 : $0 + $1.block.size - $1.inUse - $1.cooling }
        let marks = StagingMarks(
            rate: outlook.rate, worth: outlook.worth, least: input.policy.floor - free + input.pendingElsewhere)
        if input.policy.floor == 0, input.pendingElsewhere == 0 {
            try hold(total == left - marks.high, "\(total) of \(left) beyond \(marks.high)")
        } else {
            try hold(total <= left - marks.high, "\(total) of \(left) beyond \(marks.high)")
        }
    }

    /// What the operator asks for is there, or on its way, unless the cap forbids it.
    private func checkFloors(_ decision: AllocationDecision, of input: AllocationInput) throws {
        guard input.policy.cap == nil, let outlook = input.outlook else { return }
        let free = input.blocks.reduce(0) { $0 + $1.block.size - $1.inUse - $1.cooling } + input.returning
        let gone = decision.releases.reduce(0) { $1.isRecall ? $0 : $0 + $1.block.size }
        let order = decision.reserve?.identifiers ?? 0
        try hold(
            free - gone + order >= input.policy.floor,
            "\(free) free, \(gone) given back, \(order) asked for: floor \(input.policy.floor)")
        guard let low = input.policy.lowWatermark else { return }
        for demand in input.hosts where demand.inUse > 0 && demand.acceptsLeases {
            guard outlook.seats[demand.host]?.isOpen ?? true else { continue }
            let here = input.blocks.filter { $0.host == demand.host }
            let taken = decision.releases.reduce(0) { $1.host == demand.host ? $0 + $1.block.size : $0 }
            let ready = here.reduce(-taken) { $0 + $1.block.size - $1.inUse - $1.cooling }
            let isHelped =
                decision.leases.contains { $0.host == demand.host } || order > 0 || input.returning > 0
                || decision.releases.contains { $0.isRecall }
            try hold(ready >= low || isHelped, "\(demand.host) has \(ready) of \(low)")
            try hold(ready >= low || taken == 0, "\(demand.host) loses what its watermark asks for")
        }
    }

    /// Whatever comes later.
    @Test func theFutureChangesNothing() throws {
        try property("causal", iterations: 20) { generator in
            let seed = generator.next()
            let turn = generator.integer(in: 5...25)
            func run(future: UInt64) -> [AllocationDecision] {
                var stream = SeededGenerator(seed: seed)
                let policy = policy(&stream)
                var world = StagingWorld(policy, kind: kind(&stream), hosts: 10, reserved: 32, &stream)
                return (0..<40).map { step in
                    if step == turn { stream = SeededGenerator(seed: future) }
                    for _ in 0..<stream.integer(in: 0...3) { world.launch(&stream) }
                    world.churn(&stream)
                    let advice = advice(target: stream.integer(in: 0...60), extra: stream.integer(in: 0...8))
                    let input = world.input(next: stream.integer(in: 0...20), advice: advice)
                    let decision = world.decide(input)
                    world.carry(decision)
                    return decision
                }
            }
            let (one, other, again) = (run(future: 1), run(future: 2), run(future: 1))
            try hold(one == again, "the same stream is decided otherwise")
            try hold(one.prefix(turn) == other.prefix(turn), "the future changes the past")
            try hold(one != other, "two futures are one")
        }
    }

    @Test func theOrderOfTheInputIsNoMatter() throws {
        try property("order of the input", iterations: 40) { generator in
            let policy = policy(&generator)
            var world = StagingWorld(policy, kind: kind(&generator), hosts: 10, reserved: 40, &generator)
            for _ in 0..<12 { world.launch(&generator) }
            world.pass(.seconds(600))
            world.churn(&generator)
            let input = world.input(next: 9, advice: advice(target: 30, extra: 2))
            var shuffled = input
            shuffled.hosts.shuffle(using: &generator)
            shuffled.blocks.shuffle(using: &generator)
            var copy = world
            try hold(world.decide(input) == copy.decide(shuffled), "decided otherwise")
        }
    }
}
