import Forecasting

/// How often each level was taken lately, over several time scales and by floor: fading counts in 16 bits.
///
/// A count is never multiplied from tick to tick, which 16 bits would not survive: instead what is added weighs more
/// and more, and everything is scaled down together now and then ("forward decay").
struct LevelRises: Hashable, Sendable {
    private static let growthMax: Float = 64
    /// By bucket, then scale.
    private var sums: [SIMD8<UInt16>]
    /// Weight of what comes now, by scale.
    private var growth = SIMD8<Float>(repeating: 1)
    /// Sum of the weights of a mean that began with nothing: what remains to be divided by; by scale.
    private(set) var filled = SIMD8<Float>()
    private static let scales = MarginalGrid.scales.count

    init() { sums = Array(repeating: .zero, count: MarginalGrid.levels.count * Self.scales) }

    /// - Parameters:
    ///   - counts: launches by bucket; in each lane those that its floor did not serve.
    ///   - length: of the tick, in units of five minutes.
    mutating func endTick(_ counts: [SIMD8<UInt16>], length: Float) {
        for (scale, ticks) in MarginalGrid.scales.enumerated() {
            let share = min(1, length / ticks)
            filled[scale] += share * (1 - filled[scale])
            growth[scale] /= 1 - share * 0.999
            if growth[scale] > Self.growthMax { rescale(scale) }
        }
        for bucket in counts.indices where counts[bucket] != .zero {
            let fresh = SIMD8<Float>(counts[bucket])
            for scale in 0..<Self.scales {
                let place = bucket * Self.scales + scale
                sums[place] = Self.pack(Self.unpack(sums[place]) + fresh * growth[scale])
            }
        }
    }

    private mutating func rescale(_ scale: Int) {
        for place in stride(from: scale, to: sums.count, by: Self.scales) where sums[place] != .zero {
            sums[place] = Self.pack(Self.unpack(sums[place]) / growth[scale])
        }
        growth[scale] = 1
    }

    /// Launches per five minutes in a bucket; nil when there were none.
    func rate(_ bucket: Int, scale: Int) -> SIMD8<Float>? {
        let packed = sums[bucket * Self.scales + scale]
        guard packed != .zero, filled[scale] > 0 else { return nil }
        return Self.unpack(packed) / (MarginalGrid.scales[scale] * growth[scale] * filled[scale])
    }

    private static func pack(_ values: SIMD8<Float>) -> SIMD8<UInt16> {
        var packed = SIMD8<UInt16>()
        for lane in 0..<8 { packed[lane] = PackedFloat.pack(values[lane]) }
        return packed
    }

    private static func unpack(_ packed: SIMD8<UInt16>) -> SIMD8<Float> {
        var values = SIMD8<Float>()
        for lane in 0..<8 { values[lane] = PackedFloat.unpack(packed[lane]) }
        return values
    }

    mutating func code(_ coder: inout some StateCoder) {
        for place in sums.indices { for lane in 0..<8 { coder.code(&sums[place][lane]) } }
        for scale in 0..<Self.scales {
            coder.code(&growth[scale])
            coder.code(&filled[scale])
        }
    }

    var isPossible: Bool {
        (0..<Self.scales).allSatisfy { 1...Self.growthMax ~= growth[$0] && 0...1.01 ~= filled[$0] }
            && sums.allSatisfy { all($0 .!= SIMD8(repeating: PackedFloat.none)) }
    }

    /// Of the arrays.
    var bytes: Int { arrayBytes(sums) }
}

/// Bytes of an array on the heap, its header included.
func arrayBytes<Element>(_ array: [Element]) -> Int { 32 + array.count * MemoryLayout<Element>.stride }
