/// What the rule of marginal value tells apart: sizes of a floor, levels above the present demand, time scales.
///
/// Levels and time are counted from the present: level 3 is reached when three VMs more than at the start of the tick
/// run. Everything that depends on a floor stands in eight lanes, one per size.
package enum MarginalGrid {
    /// Free identifiers that a floor may keep.
    package static let floors: SIMD8<Int32> = [0, 1, 2, 4, 8, 16, 32, 64]
    /// Identifiers between a floor and the next smaller one; nothing in the first lane.
    package static let floorWidths: SIMD8<Float> = [0, 1, 1, 2, 4, 8, 16, 32]
    /// Last level of each bucket.
    package static let levels: [Int32] = [
        1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096,
    ]
    /// Ticks of the rule's own length over which counts fade; one tick, the last, stands beside them.
    package static let scales: [Float] = [4, 12, 72, 288, 2016]
    /// Seconds: the length of tick that counts and rates refer to, whatever the length of the ticks is.
    package static let tick: Float = 300
    static let day = 288
    static let week = 2016
    static let hour = 12

    /// Levels of a bucket.
    package static func width(_ bucket: Int) -> Int32 { levels[bucket] - (bucket > 0 ? levels[bucket - 1] : 0) }

    /// A level in the middle of a bucket.
    package static func middle(_ bucket: Int) -> Float {
        let below = bucket > 0 ? levels[bucket - 1] : 0
        return Float(below + 1 + levels[bucket]) / 2
    }

    /// An identifier in the middle of those that a floor has beyond the next smaller one.
    static let floorMiddles: SIMD8<Float> = [0.5, 1, 2, 3.5, 6.5, 12.5, 24.5, 48.5]

    /// The bucket of a level; nil above the last.
    static func bucket(of level: Int) -> Int? {
        guard level > 2 else { return level > 0 ? level - 1 : nil }
        let log = Int.bitWidth - 1 - (level - 1).leadingZeroBitCount
        let bucket = level << 1 <= 3 << log ? 2 * log : 2 * log + 1
        return bucket < levels.count ? bucket : nil
    }

    /// The smallest lane whose floor serves a launch of this rank; 8 for those that none serves.
    static func lane(ofRank rank: Int) -> Int {
        for lane in 1..<8 where rank <= Int(floors[lane]) { return lane }
        return 8
    }
}
