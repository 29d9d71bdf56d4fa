import SimulationKit
import Testing

@testable import Allocation
@testable import Forecasting

/// Some hours of demand.
func live(_ rule: inout MarginalAllocator, ticks: Int, _ generator: inout SeededGenerator) throws -> [MarginalDecision]
{
    let policy = try MarginalPolicy(costRatio: 20)
    return (0..<ticks).map { _ in
        live(&rule, events: generator.integer(in: 0...6), &generator)
        return rule.endTick(policy, constants: .shipped)
    }
}

func live(_ rule: inout MarginalAllocator, events: Int, _ generator: inout SeededGenerator) {
    for _ in 0..<events {
        let offset = Double(generator.integer(in: 0...299))
        if generator.chance(0.55) {
            rule.launch(generator.chance(0.05) ? 70 : 1, at: offset)
        } else {
            rule.stop(generator.integer(in: 1...3), at: offset)
        }
    }
}

/// With a checksum that is right for what stands before it.
func sealed(_ bytes: [UInt8]) -> [UInt8] {
    var sum = Checksum()
    for byte in bytes.dropLast(8) { sum.add(byte) }
    return bytes.dropLast(8) + (0..<8).map { UInt8(truncatingIfNeeded: sum.value >> UInt64(8 * $0)) }
}

@Suite("Marginal value: state as bytes")
struct MarginalCodecTests {
    @Test func whatIsRestoredDecidesTheSame() throws {
        try property("round trip", iterations: 6) { generator in
            let settings = try MarginalSettings(
                tick: [300, 60, 450, 3600][generator.integer(in: 0...3)], lead: Double(generator.integer(in: 0...10)))
            var rule = MarginalAllocator(inUse: generator.integer(in: 0...40), settings: settings)
            _ = try live(&rule, ticks: generator.integer(in: 0...400), &generator)
            if generator.chance(0.5) { rule.skip(generator.integer(in: 1...5000)) }
            live(&rule, events: generator.integer(in: 0...5), &generator)
            let bytes = rule.encoded()
            var restored = try MarginalAllocator(encoded: bytes)
            try hold(restored == rule && restored.encoded() == bytes, "something is not kept")
            var again = generator
            let expected = try live(&rule, ticks: 40, &generator)
            try hold(try live(&restored, ticks: 40, &again) == expected, "it decides otherwise")
            try hold(restored == rule, "it learns otherwise")
        }
    }

    private static func sample(_ generator: inout SeededGenerator) throws -> [UInt8] {
        var rule = MarginalAllocator(inUse: 3)
        _ = try live(&rule, ticks: 300, &generator)
        live(&rule, events: 5, &generator)
        return rule.encoded()
    }

    @Test func everyTruncationIsRefused() throws {
        var generator = SeededGenerator(seed: 5)
        let bytes = try Self.sample(&generator)
        #expect(bytes.count < 8192)
        for length in bytes.indices {
            #expect(throws: MarginalStateError.self) { try MarginalAllocator(encoded: Array(bytes.prefix(length))) }
            // A checksum of its own makes it no better.
            guard length >= 32, length.isMultiple(of: 7) else { continue }
            let error = #expect(throws: MarginalStateError.self) {
                try MarginalAllocator(encoded: sealed(Array(bytes.prefix(length))))
            }
            #expect(error != .corrupt)
        }
        #expect(throws: MarginalStateError.length(bytes.count + 3)) {
            try MarginalAllocator(encoded: sealed(bytes + [0, 0, 0]))
        }
        var other = bytes
        other[0] = 2
        #expect(throws: MarginalStateError.version(2)) { try MarginalAllocator(encoded: sealed(other)) }
    }

    @Test func everyFlippedBitIsSeen() throws {
        var generator = SeededGenerator(seed: 6)
        let bytes = try Self.sample(&generator)
        var refused = 0
        for place in bytes.indices {
            // The checksum is linear enough in a byte that its eight bits are alike: one of each byte.
            var flipped = bytes
            flipped[place] ^= 1 << UInt8(place % 8)
            if (try? MarginalAllocator(encoded: flipped)) == nil { refused += 1 }
        }
        #expect(refused == bytes.count)
    }

    /// Where the checksum is right, either the value is refused as one that cannot be, or it is one that lives on: nothing
    /// traps, and its numbers stay numbers.
    @Test func noValueTraps() throws {
        var refused = 0
        try property("flipped and sealed", iterations: 400) { generator in
            var bytes = Self.made
            for _ in 0..<generator.integer(in: 1...3) {
                bytes[generator.integer(in: 1...bytes.count - 9)] ^= 1 << UInt8(generator.integer(in: 0...7))
            }
            bytes = sealed(bytes)
            do {
                var rule = try MarginalAllocator(encoded: bytes)
                try hold(rule.encoded() == bytes, "taken, and written otherwise")
                for decision in try live(&rule, ticks: 3, &generator) {
                    try hold(decision.price.isFinite && decision.target >= 0 && decision.extra >= 0, "\(decision)")
                }
            } catch is MarginalStateError {
                refused += 1
            }
        }
        #expect(refused > 20 && refused < 400)
    }

    private static let made: [UInt8] = {
        var generator = SeededGenerator(seed: 7)
        return (try? sample(&generator)) ?? []
    }()

    /// Silence is skipped at once or tick by tick.
    @Test func aLongSilenceIsManyShortOnes() throws {
        try property("silence", iterations: 5) { generator in
            var rule = MarginalAllocator()
            _ = try live(&rule, ticks: 50, &generator)
            var slow = rule
            let count = generator.integer(in: 1...2016)
            rule.skip(count)
            for _ in 0..<count { slow.skip(1) }
            try hold(rule == slow, "\(count) ticks at once are others")
            rule.resume(inUse: 17)
            try hold(rule.demand.inUse == 17 && rule.demand.rankCounts == .zero, "launches were counted")
        }
    }
}
