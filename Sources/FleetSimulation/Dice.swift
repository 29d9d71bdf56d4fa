import NetworkTypes
import SimulationKit

/// The randomness of one part of the world. Every part has its own, so that a change in one part does not turn all the
/// others over.
struct Dice {
    private var generator: SeededGenerator

    init(_ generator: SeededGenerator) { self.generator = generator }

    mutating func next() -> UInt64 { generator.next() }

    /// 0 ..< `bound`; 0 for a bound below 1.
    mutating func below(_ bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        return Int(generator.next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    mutating func below(_ bound: Int64) -> Int64 { Int64(below(Int(bound))) }

    mutating func between(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }

    /// Nanoseconds from `low` to `high`.
    mutating func time(_ low: Int64, _ high: Int64) -> Int64 { low + below(high - low + 1) }

    /// From 0 up to 1.
    mutating func unit() -> Double { Double(generator.next() >> 11) * 0x1p-53 }

    mutating func chance(_ probability: Double) -> Bool { unit() < probability }

    mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }

    /// Waiting time of a Poisson process, nanoseconds, cut at eight times the mean.
    mutating func wait(mean: Int64) -> Int64 {
        // A sum of powers in place of the logarithm, which needs a C library: two uniform draws give the same mean.
        let draw = unit() + unit()
        let stretched = chance(0.1) ? draw * 4 : draw * 2 / 3
        return max(1, Int64(stretched * Double(mean)))
    }

    mutating func uuid() -> UUID128 { UUID128.random(using: &generator) }
}

/// Lengths of simulated time in nanoseconds.
enum Time {
    static let microsecond: Int64 = 1000
    static let millisecond: Int64 = 1_000_000
    static let second: Int64 = 1_000_000_000
}
