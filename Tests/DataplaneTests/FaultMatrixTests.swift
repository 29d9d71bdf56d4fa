import Dataplane
import NetworkTypes
import SimulationKit
import Testing

/// Every behavior under every fault: it was hit, the kernel converged, and then nothing more is written. Inner addresses
/// are of both families always, the underlay is of one or the other.
@Suite struct FaultMatrixTests {
    private static let roundLimit = 8

    @Test(arguments: Fault.allCases, [false, true]) func convergesAfter(fault: Fault, overIPv6: Bool) throws {
        var struck = 0
        try property("fault \(fault.rawValue)", iterations: 4) { generator in
            var facts = Facts(isIPv6: overIPv6)
            let kernel = FakeKernel()
            var reconciler = Self.start(kernel, facts)
            for _ in 0..<8 {
                for _ in 0..<generator.integer(in: 1...10) {
                    try reconciler.state.apply(facts.mutate(using: &generator))
                }
                kernel.armed = fault
                reconciler.periodic = true
                do {
                    _ = try reconciler.round()
                } catch is Crash {
                    // A new life knows only what is declared again, and the kernel.
                    reconciler = Self.start(kernel, facts)
                    for change in facts.changes(using: &generator) { try reconciler.state.apply(change) }
                }
                kernel.armed = nil
                // Faults have ended: a periodic dump shows what was lost without an event.
                _ = try reconciler.round()
                reconciler.periodic = false
                try Self.expectConverged(&reconciler, facts, &generator)
            }
            struck += kernel.hits[fault] ?? 0
        }
        #expect(struck > 0, "the fault was never hit")
    }

    /// Swarm: any fault at any time, several lives.
    @Test(arguments: [false, true]) func convergesUnderAnyMixture(overIPv6: Bool) throws {
        var struck: [Fault: Int] = [:]
        try property("fault mixture", iterations: 12) { generator in
            var facts = Facts(isIPv6: overIPv6)
            let kernel = FakeKernel()
            var reconciler = Self.start(kernel, facts)
            reconciler.periodic = true
            for _ in 0..<120 {
                try reconciler.state.apply(facts.mutate(using: &generator))
                kernel.armed = generator.chance(0.4) ? generator.pick(from: Fault.allCases) : nil
                do {
                    _ = try reconciler.round()
                } catch is Crash {
                    reconciler = Self.start(kernel, facts)
                    reconciler.periodic = true
                    for change in facts.changes(using: &generator) { try reconciler.state.apply(change) }
                }
            }
            kernel.armed = nil
            _ = try reconciler.round()
            reconciler.periodic = false
            try Self.expectConverged(&reconciler, facts, &generator)
            struck.merge(kernel.hits, uniquingKeysWith: +)
        }
        for fault in Fault.allCases { #expect(struck[fault, default: 0] > 0, "\(fault.rawValue) was never hit") }
    }

    private static func start(_ kernel: FakeKernel, _ facts: Facts) -> Reconciler {
        Reconciler(state: DataplaneState(configuration: facts.configuration, deletes: .everything), kernel: kernel)
    }

    private static func expectConverged(
        _ reconciler: inout Reconciler, _ facts: Facts, _ generator: inout SeededGenerator
    ) throws {
        let kernel = reconciler.kernel
        let rounds = try reconciler.converge(within: roundLimit)
        try hold(rounds != nil, "not converged within \(roundLimit) rounds: \(reconciler.state.tracker.failures)")
        // Observation agrees, twice, and costs no write.
        reconciler.state.resync(try kernel.dump())
        reconciler.state.resync(try kernel.dump())
        if !reconciler.state.plan().isEmpty { _ = try reconciler.converge(within: roundLimit) }
        let writes = kernel.writes
        reconciler.state.resync(try kernel.dump())
        try hold(reconciler.state.plan().isEmpty, "plan after convergence: \(reconciler.state.plan())")
        try hold(try reconciler.round(), "work left after convergence")
        try hold(kernel.writes == writes, "a second apply wrote")
        let wanted = try facts.objects(using: &generator)
        let have = kernel.entries.mapValues(\.object)
        for (key, object) in wanted { try hold(have[key] == object, "missing or wrong: \(key)") }
        for key in have.keys { try hold(wanted[key] != nil, "left over: \(key)") }
        try hold(kernel.violations.isEmpty, "\(kernel.violations)")
    }
}
