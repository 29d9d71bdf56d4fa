/// A non-negative number in 16 bits: 6 bits of exponent and 10 of fraction, relative error below 2^-11 between 2^-20 and
/// 2^43, zero below; for state that may be rough by half a per mille. `UInt16.max` stands for nothing.
package enum PackedFloat {
    package static let none = UInt16.max
    private static let bias: UInt32 = 107 << 23

    package static func pack(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        guard value > 0, bits > bias else { return 0 }
        return UInt16(min(((bits - bias) + 0x1000) >> 13, UInt32(none) - 1))
    }

    /// Zero for nothing: ask ``none`` first.
    package static func unpack(_ packed: UInt16) -> Float {
        packed == 0 || packed == none ? 0 : Float(bitPattern: UInt32(packed) << 13 + bias)
    }
}
