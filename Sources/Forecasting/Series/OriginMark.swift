/// What was known at one moment, as far as a forecast from there needs it.
struct OriginMark: Sendable, Hashable {
    /// The sample.
    var value: Float = 0
    /// Its mean over the last half hour.
    var fast: Float = 0
    /// How lively the hour was compared to the last days, dimmed; widens and narrows forecasts.
    var liveliness: Float = 1
    /// Of a level shift: 0 none, 1 certain.
    var shift: Float = 0
    /// At or above the day's mean, and not at zero.
    var isHigh = false
}

/// ``OriginMark`` as remembered.
struct PackedMark: Sendable, Hashable {
    private static let knownBit: UInt16 = 1
    private static let highBit: UInt16 = 2

    private var value: Float = 0
    private var fast: Float = 0
    private var liveliness: UInt16 = 0
    /// Shift in the upper 14 bits.
    private var flags: UInt16 = 0

    static let unknown = PackedMark()

    private init() {}

    init(_ mark: OriginMark) {
        value = mark.value
        fast = mark.fast
        liveliness = PackedFloat.pack(mark.liveliness)
        flags = UInt16(mark.shift * 16_383) << 2 | Self.knownBit | (mark.isHigh ? Self.highBit : 0)
    }

    /// Nil when the sample was unknown.
    var mark: OriginMark? {
        guard flags & Self.knownBit != 0 else { return nil }
        return OriginMark(
            value: value, fast: fast, liveliness: PackedFloat.unpack(liveliness), shift: Float(flags >> 2) / 16_383,
            isHigh: flags & Self.highBit != 0)
    }
}
