/// Elementary functions in plain arithmetic: the same bits on every machine, and no C library in a core.
package enum Elementary {
    /// Binary logarithm of a positive, finite number; absolute error below 1e-9.
    package static func log2(_ x: Double) -> Double {
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
    package static func exp2(_ x: Double) -> Double {
        let clamped = min(max(x, -1000), 1000)
        let whole = clamped.rounded()
        let y = (clamped - whole) * 0.693_147_180_559_945_3
        let series =
            1 + y * (1 + y / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6 * (1 + y / 7 * (1 + y / 8)))))))
        return series * Double(sign: .plus, exponent: Int(whole), significand: 1)
    }

    /// x^p for x >= 0 and p > 0.
    package static func power(_ x: Double, _ p: Double) -> Double { x > 0 ? exp2(p * log2(x)) : 0 }

    /// Binary logarithms of positive, finite numbers in single precision; absolute error below 1e-6.
    package static func log2(_ x: SIMD8<Float>) -> SIMD8<Float> {
        var exponent = SIMD8<Float>()
        var fraction = SIMD8<Float>()
        for lane in 0..<8 {
            let bits = x[lane].bitPattern
            exponent[lane] = Float(Int32(truncatingIfNeeded: bits >> 23) - 127)
            fraction[lane] = Float(bitPattern: bits & 0x007F_FFFF | 0x3F80_0000)
        }
        let isLarge = fraction .> 1.414_213_5
        fraction.replace(with: fraction * 0.5, where: isLarge)
        exponent.replace(with: exponent + 1, where: isLarge)
        let t = (fraction - 1) / (fraction + 1)
        let square = t * t
        let series = horner(square, [0.142_857_14, 0.2, 0.333_333_33, 1, 0, 0, 0, 0], 4)
        return exponent + t * series * 2.885_390_1
    }

    /// 2^x in single precision, saturating outside -120 ... 120; relative error below 1e-6.
    package static func exp2(_ x: SIMD8<Float>) -> SIMD8<Float> {
        let clamped = x.clamped(lowerBound: SIMD8(repeating: -120), upperBound: SIMD8(repeating: 120))
        let whole = clamped.rounded(.toNearestOrEven)
        let y = (clamped - whole) * 0.693_147_2
        let series = horner(y, [0.001_388_888_9, 0.008_333_333, 0.041_666_667, 0.166_666_67, 0.5, 1, 1, 0], 7)
        var power = SIMD8<Float>()
        for lane in 0..<8 {
            power[lane] = Float(bitPattern: UInt32(truncatingIfNeeded: Int32(whole[lane]) + 127) << 23)
        }
        return series * power
    }

    /// A polynomial, the coefficient of the highest power first.
    @inline(__always)
    private static func horner(_ x: SIMD8<Float>, _ coefficients: SIMD8<Float>, _ count: Int) -> SIMD8<Float> {
        var sum = SIMD8<Float>(repeating: coefficients[0])
        for place in 1..<count { sum = sum * x + coefficients[place] }
        return sum
    }
}
