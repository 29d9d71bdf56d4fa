import Glibc

extension SeededGenerator {
    /// Uniform integer of a closed range.
    public mutating func integer(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// Uniform in `0 ..< 1`, 53 bits.
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Between two positive bounds, every ratio equally likely.
    public mutating func logUniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound * exp(log(range.upperBound / range.lowerBound) * unit())
    }

    /// True with the given probability.
    public mutating func chance(_ probability: Double) -> Bool { unit() < probability }

    /// One element, or nil when there is none.
    public mutating func pick<C: Collection>(from elements: C) -> C.Element? { elements.randomElement(using: &self) }

    /// Exponentially distributed with the given mean.
    public mutating func exponential(mean: Double) -> Double { -log(1 - unit()) * mean }

    /// Standard normal (Box and Muller).
    public mutating func normal() -> Double {
        let radius = (-2 * log(1 - unit())).squareRoot()
        return radius * cos(2 * .pi * unit())
    }

    /// Poisson distributed: by exponential gaps for small means, by the normal approximation from 64 on.
    public mutating func poisson(mean: Double) -> Int {
        guard mean > 0 else { return 0 }
        guard mean < 64 else { return max(0, Int((mean + mean.squareRoot() * normal()).rounded())) }
        var count = 0
        var elapsed = exponential(mean: 1)
        while elapsed < mean {
            count += 1
            elapsed += exponential(mean: 1)
        }
        return count
    }
}
