/// Elementary functions in plain arithmetic: the same bits on every machine, and no C library in a core.
enum Elementary {
    /// Binary logarithm of a positive, finite number; absolute error below 1e-9.
    static func log2(_ x: Double) -> Double {
        var exponent = Double(x.exponent)
        var fraction = x.significand
        if fraction > 1.414_213_562_373_095_1 {
            fraction /= 2
            exponent += 1
        }
        // ln f = 2 artanh((f - 1) / (f + 1)), with |argument| <= 0.172.
        let t = (fraction - 1) / (fraction + 1)
        let square = t * t
        let series =
            1 + square * (1.0 / 3 + square * (0.2 + square * (1.0 / 7 + square * (1.0 / 9 + square / 11))))
        return exponent + 2 * t * series * 1.442_695_040_888_963_4
    }

    /// 2^x, saturating outside -1000 ... 1000; relative error below 1e-9.
    static func exp2(_ x: Double) -> Double {
        let clamped = min(max(x, -1000), 1000)
        let whole = clamped.rounded()
        let y = (clamped - whole) * 0.693_147_180_559_945_3
        let series =
            1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6 * (1 + y / 7 * (1 + y / 8)))))))
        return series * Double(sign: .plus, exponent: Int(whole), significand: 1)
    }

    /// x^p for x >= 0 and p > 0.
    static func power(_ x: Double, _ p: Double) -> Double { x > 0 ? exp2(p * log2(x)) : 0 }
}
