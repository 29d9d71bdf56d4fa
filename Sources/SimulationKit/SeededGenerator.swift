/// Reproducible randomness: xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64 as its authors advise.
///
/// The same seed gives the same numbers on every machine and in every release: recorded seeds stay meaningful.
public struct SeededGenerator: RandomNumberGenerator, Sendable, Hashable {
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64

    public init(seed: UInt64) {
        var mixer = SplitMix64(state: seed)
        s0 = mixer.next()
        s1 = mixer.next()
        s2 = mixer.next()
        s3 = mixer.next()
    }

    public mutating func next() -> UInt64 {
        let result = Self.rotate(s1 &* 5, by: 7) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = Self.rotate(s3, by: 45)
        return result
    }

    /// An independent generator for a named part, so that drawing more in one part never shifts another.
    public func fork(_ label: UInt64) -> SeededGenerator {
        var mixer = SplitMix64(state: s0 ^ Self.rotate(s2, by: 23) ^ label &* 0x9E37_79B9_7F4A_7C15)
        return SeededGenerator(seed: mixer.next())
    }

    private static func rotate(_ value: UInt64, by count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}

/// Steele, Lea and Flood's generator (2014): spreads one seed over the larger state of another generator.
struct SplitMix64 {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
