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
    /// Interpolated over a short gap.
    var isFilled = false
}

/// ``OriginMark`` as remembered: five 16-bit words.
struct PackedMark: Sendable, Hashable {
    private static let knownBit: UInt16 = 1
    private static let highBit: UInt16 = 2
    private static let filledBit: UInt16 = 4
    private static let shiftMax: Float = 8191

    private var valueHigh: UInt16 = 0
    private var valueLow: UInt16 = 0
    private var fast: UInt16 = 0
    private var liveliness: UInt16 = 0
    /// Shift in the upper 13 bits.
    private var flags: UInt16 = 0

    static let unknown = PackedMark()

    private init() {}

    init(_ mark: OriginMark) {
        valueHigh = UInt16(mark.value.bitPattern >> 16)
        valueLow = UInt16(truncatingIfNeeded: mark.value.bitPattern)
        fast = PackedFloat.pack(mark.fast)
        liveliness = PackedFloat.pack(mark.liveliness)
        flags =
            UInt16(mark.shift * Self.shiftMax) << 3 | Self.knownBit | (mark.isHigh ? Self.highBit : 0)
            | (mark.isFilled ? Self.filledBit : 0)
    }

    /// Nil when the sample was unknown.
    var mark: OriginMark? {
        guard flags & Self.knownBit != 0 else { return nil }
        let value = Float(bitPattern: UInt32(valueHigh) << 16 | UInt32(valueLow))
        // A mean that cannot be told from the value is the value: flat series stay flat to the bit.
        return OriginMark(
            value: value, fast: fast == PackedFloat.pack(value) ? value : PackedFloat.unpack(fast),
            liveliness: PackedFloat.unpack(liveliness), shift: Float(flags >> 3) / Self.shiftMax,
            isHigh: flags & Self.highBit != 0, isFilled: flags & Self.filledBit != 0)
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&valueHigh)
        coder.code(&valueLow)
        coder.code(&fast)
        coder.code(&liveliness)
        coder.code(&flags)
    }
}
