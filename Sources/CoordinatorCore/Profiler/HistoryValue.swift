/// A count or an amount in 16 bits: exact up to 2047, beyond that to one part in 2048.
///
/// An exponent above eleven significant bits; `unknown` is apart from every number, zero included.
struct HistoryValue: Hashable, Sendable {
    static let unknown = HistoryValue(code: .max)
    private static let fractionBits = 10

    let code: UInt16

    init(code: UInt16) { self.code = code }

    init(_ value: UInt64?) {
        guard let value else {
            self = .unknown
            return
        }
        let exponent = max(0, UInt64.bitWidth - value.leadingZeroBitCount - Self.fractionBits - 1)
        let half: UInt64 = exponent > 0 ? 1 << UInt64(exponent - 1) : 0
        let (sum, overflow) = value.addingReportingOverflow(half)
        // Rounding up may carry into the exponent, which is just what the sum does.
        let mantissa = (overflow ? value : sum) >> UInt64(exponent)
        code = UInt16(exponent << Self.fractionBits + Int(mantissa))
    }

    var value: UInt64? {
        guard self != .unknown else { return nil }
        guard code >= 2 << Self.fractionBits else { return UInt64(code) }
        let exponent = UInt64(code >> Self.fractionBits) - 1
        let mantissa: UInt64 = 1 << UInt64(Self.fractionBits) | UInt64(code) & (1 << UInt64(Self.fractionBits) - 1)
        let (shifted, isTooLarge) = (mantissa << exponent, mantissa.leadingZeroBitCount < Int(exponent))
        return isTooLarge ? .max : shifted
    }
}
