import Forecasting
import NetworkTypes
import SimulationKit
import Testing

@testable import Allocation

@Suite("Marginal value: fed with samples")
struct MarginalProfileTests {
    private let clock: MarginalClock
    private let policy: MarginalPolicy

    init() throws {
        clock = try #require(MarginalClock(interval: .seconds(10)))
        policy = try MarginalPolicy(costRatio: 20)
    }

    private func sample(_ vms: Int, launches: Int = 0, stops: Int = 0, peak: Int? = nil) -> DemandSample {
        DemandSample(concurrent: vms, peak: peak ?? vms, launches: launches, stops: stops)
    }

    private func profile(phase: Int = 0) -> MarginalProfile { MarginalProfile(after: -1, phase: phase, clock: clock) }

    @Test func slotsMakeTicks() throws {
        #expect(clock.slotsPerTick == 30 && clock.settings == .standard)
        #expect(MarginalClock(interval: .seconds(1))?.slotsPerTick == 300)
        #expect(MarginalClock(interval: .seconds(7))?.settings.tick == 301)
        #expect(MarginalClock(interval: .seconds(900))?.slotsPerTick == 1)
        #expect(MarginalClock(interval: .seconds(3601)) == nil && MarginalClock(interval: .zero) == nil)
    }

    /// The rule itself, told of the same launches and stops.
    @Test func decidesAsTheRuleDoes() throws {
        try property("samples", iterations: 4) { generator in
            var profile = profile()
            var rule = MarginalAllocator()
            for slot in 0..<1200 {
                let (launches, stops) = (
                    generator.poisson(mean: 0.2), min(rule.demand.inUse, generator.integer(in: 0...1))
                )
                let offset = Double(slot % 30) * 10 + 5
                rule.launch(launches, at: offset)
                let peak = rule.demand.inUse
                rule.stop(stops, at: offset)
                let vms = rule.demand.inUse
                observe(&profile, sample(vms, launches: launches, stops: stops, peak: peak), slot)
                guard slot % 30 == 29 else { continue }
                let decision = rule.endTick(policy, constants: .shipped)
                try hold(profile.decision == decision, "slot \(slot): \(decision)")
                try hold(profile.advice(at: slot, clock: clock) == MarginalAdvice(decision), "no advice of it")
            }
            try hold(profile.allocator == rule, "the state differs")
        }
    }

    private func observe(_ profile: inout MarginalProfile, _ sample: DemandSample?, _ slot: Int) {
        profile.observe(sample, at: slot, clock: clock, policy: policy)
    }

    /// Samples that contradict each other, gaps, leaps, late ones: what runs is what the last sample says.
    @Test func followsWhatRuns() throws {
        try property("truth", iterations: 20) { generator in
            var profile = profile(phase: generator.integer(in: 0...29))
            var slot = generator.integer(in: 0...100)
            for _ in 0..<200 {
                let size = generator.chance(0.02) ? Int.max : 60
                let told =
                    generator.chance(0.2)
                    ? nil
                    : sample(
                        generator.integer(in: 0...size), launches: generator.integer(in: 0...size),
                        stops: generator.integer(in: 0...size),
                        peak: generator.integer(in: 0...size))
                observe(&profile, told, slot)
                let expected = told.map { min($0.concurrent, 1 << 24) }
                if let expected { try hold(profile.allocator?.demand.inUse == expected, "\(expected) run at \(slot)") }
                let before = profile
                observe(&profile, sample(3), slot - generator.integer(in: 0...3))
                try hold(profile == before, "a late sample was taken")
                slot += generator.chance(0.05) ? generator.integer(in: 2...4000) : 1
                if generator.chance(0.005) { slot += 500_000 }
            }
            let bytes = profile.encoded(clock: clock)
            try hold(
                try MarginalProfile(encoded: bytes, phase: profile.phase, clock: clock) == profile, "not kept")
        }
    }

    /// What runs already when the first sample comes is no launch; what nobody told of later is one; what came about in a
    /// silence of more than a tick is none.
    @Test func countsLaunchesOnly() throws {
        var profile = profile()
        observe(&profile, sample(500, launches: 2, stops: 1, peak: 501), 0)
        #expect(launched(profile) == 2)
        observe(&profile, sample(503), 1)
        #expect(launched(profile) == 5)
        observe(&profile, nil, 2)
        observe(&profile, sample(510, launches: 3), 3)
        #expect(launched(profile) == 12)
        observe(&profile, sample(600, launches: 1), 40)
        #expect(launched(profile) == 1 && profile.allocator?.demand.inUse == 600)
    }

    private func launched(_ profile: MarginalProfile) -> Float { profile.allocator?.demand.rankCounts.sum() ?? -1 }

    /// A stop and a launch in one slot: which came first is what the peak says.
    @Test func thePeakOrdersASlot() throws {
        var (replaced, beside) = (profile(), profile())
        for slot in 0..<30 {
            observe(&replaced, sample(5), slot)
            observe(&beside, sample(5), slot)
        }
        observe(&replaced, sample(5, launches: 1, stops: 1, peak: 5), 30)
        observe(&beside, sample(5, launches: 1, stops: 1, peak: 6), 30)
        #expect(launched(replaced) == 0, "what was freed is still held")
        #expect(launched(beside) == 1)
    }

    @Test func silenceTeachesNothingAndEndsTheAdvice() throws {
        var profile = profile()
        #expect(profile.advice(at: 0, clock: clock) == nil)
        for slot in 0..<30 { observe(&profile, sample(slot / 3, launches: slot % 3 == 0 ? 1 : 0), slot) }
        let advice = try #require(profile.advice(at: 29, clock: clock))
        var leaping = profile
        for slot in 30..<300 {
            observe(&profile, nil, slot)
            let isYoung = slot < 30 + 30 * (1 + MarginalProfile.spareTicks) - 1
            #expect(profile.advice(at: slot, clock: clock) == (isYoung ? advice : nil), "slot \(slot)")
        }
        observe(&leaping, nil, 299)
        #expect(leaping == profile)
        for slot in 300..<330 { observe(&profile, sample(9), slot) }
        #expect(profile.advice(at: 329, clock: clock)?.inUse == 9)
    }

    @Test func ticksOfOthersEndInOtherSlots() throws {
        let phases = Set((0..<60).map { clock.phase(of: ApplicationID(UUID128(high: 7, low: $0))) })
        #expect(phases.count == 30)
        var late = profile(phase: 10)
        for slot in 0..<19 { observe(&late, sample(1), slot) }
        #expect(late.decision == nil)
        observe(&late, sample(1), 19)
        #expect(late.decision?.inUse == 1)
    }

    @Test func bytesAreKeptOrRefused() throws {
        var profile = profile()
        #expect(try MarginalProfile(encoded: profile.encoded(clock: clock), phase: 0, clock: clock) == profile)
        var generator = SeededGenerator(seed: 9)
        for slot in 0..<2000 {
            observe(&profile, generator.chance(0.1) ? nil : sample(generator.integer(in: 0...9), launches: 1), slot)
        }
        let bytes = profile.encoded(clock: clock)
        #expect(bytes.count <= 8192, "\(bytes.count)")
        #expect(profile.bytes <= 8192 + 256, "\(profile.bytes)")
        let other = try #require(MarginalClock(interval: .seconds(20)))
        #expect(throws: MarginalStateError.otherTicks) {
            try MarginalProfile(encoded: bytes, phase: 0, clock: other)
        }
        for length in bytes.indices where length.isMultiple(of: 5) {
            for cut in [Array(bytes.prefix(length)), sealed(Array(bytes.prefix(length)))] {
                #expect(throws: MarginalStateError.self) {
                    try MarginalProfile(encoded: cut, phase: 0, clock: clock)
                }
            }
        }
        try property("a profile's bits", iterations: 300) { generator in
            var changed = bytes
            changed[generator.integer(in: 1...120)] ^= 1 << UInt8(generator.integer(in: 0...7))
            changed = sealed(changed)
            guard var read = try? MarginalProfile(encoded: changed, phase: 0, clock: clock) else { return }
            try hold(read.encoded(clock: clock) == changed, "taken, and written otherwise")
            for slot in 2000..<2040 { observe(&read, sample(4), slot) }
        }
    }
}
