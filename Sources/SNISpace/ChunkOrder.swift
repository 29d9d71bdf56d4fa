/// 128 bits of secret.
public struct ShuffleKey: Hashable, Sendable, Codable {
    public var high: UInt64
    public var low: UInt64
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// The order in which chunks are handed out: a keyed permutation of `0 ..< 2^bits`.
///
/// A balanced Feistel network over an even number of bits (Luby and Rackoff, 1988), with SipHash-2-4 as its round
/// function; an odd domain walks the cycle of the next even one until it is back inside (Black and Rogaway, 2002). It
/// needs no table, and without the key the next chunk cannot be guessed.
public struct ChunkOrder: Hashable, Sendable {
    public let bits: Int
    public let key: ShuffleKey
    /// Four rounds are the proof's minimum for a strong permutation; small domains deserve more.
    static let rounds = 10

    public init(bits: Int, key: ShuffleKey) {
        precondition((1...24).contains(bits), "a permutation of 2^\(bits) is outside the identifier space")
        self.bits = bits
        self.key = key
    }

    /// Number of chunks.
    public var count: Int { 1 << bits }

    /// The chunk at `index` of the order.
    public func chunk(at index: Int) -> UInt32 {
        precondition(index >= 0 && index < count, "index \(index) of \(count) chunks")
        var value = UInt32(index)
        repeat { value = encrypt(value) } while value >= UInt32(count)
        return value
    }

    /// The place of a chunk in the order: the inverse of ``chunk(at:)``.
    public func index(of chunk: UInt32) -> Int {
        precondition(chunk < UInt32(count), "chunk \(chunk) of \(count)")
        var value = chunk
        repeat { value = decrypt(value) } while value >= UInt32(count)
        return Int(value)
    }

    private func decrypt(_ value: UInt32) -> UInt32 {
        let half = UInt32((bits + 1) / 2)
        let mask = UInt32(1) << half - 1
        var left = value >> half
        var right = value & mask
        for round in (0..<Self.rounds).reversed() {
            let mixed = sipHash(key, UInt64(round) << 32 | UInt64(left))
            (left, right) = (right ^ (UInt32(truncatingIfNeeded: mixed) & mask), left)
        }
        return left << half | right
    }

    private func encrypt(_ value: UInt32) -> UInt32 {
        let half = UInt32((bits + 1) / 2)
        let mask = UInt32(1) << half - 1
        var left = value >> half
        var right = value & mask
        for round in 0..<Self.rounds {
            let mixed = sipHash(key, UInt64(round) << 32 | UInt64(right))
            (left, right) = (right, left ^ (UInt32(truncatingIfNeeded: mixed) & mask))
        }
        return left << half | right
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of the eight bytes of `message` in little-endian order.
func sipHash(_ key: ShuffleKey, _ message: UInt64) -> UInt64 {
    var v0 = key.low ^ 0x736f_6d65_7073_6575
    var v1 = key.high ^ 0x646f_7261_6e64_6f6d
    var v2 = key.low ^ 0x6c79_6765_6e65_7261
    var v3 = key.high ^ 0x7465_6462_7974_6573
    func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }
    func round() {
        v0 = v0 &+ v1
        v1 = rotate(v1, 13) ^ v0
        v0 = rotate(v0, 32)
        v2 = v2 &+ v3
        v3 = rotate(v3, 16) ^ v2
        v0 = v0 &+ v3
        v3 = rotate(v3, 21) ^ v0
        v2 = v2 &+ v1
        v1 = rotate(v1, 17) ^ v2
        v2 = rotate(v2, 32)
    }
    for word in [message, 8 << 56] {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }
    v2 ^= 0xff
    for _ in 0..<4 { round() }
    return v0 ^ v1 ^ v2 ^ v3
}
