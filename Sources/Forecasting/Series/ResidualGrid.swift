/// Bins of scaled residuals: a centre bin that stands for exactly nothing, so that a flat series is forecast flat to the
/// bit, and geometric bins to both sides. What lies beyond the last edge counts there, on purpose: one catastrophe must
/// not widen a forecast without bound.
enum ResidualGrid {
    static let side = 8
    static let count = 2 * side + 1
    /// Levels of all forecasts, as ``Quantile/levels``.
    static let levels = SIMD8<Float>(0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)
    private static let first = 0.05
    private static let ratio = 1.88

    /// Edges of the bins on the positive side, ascending; `side + 1` of them.
    private static let edges: InlineArray<9, Float> = InlineArray { power in
        var edge = first
        for _ in 0..<power { edge *= ratio }
        return Float(edge)
    }
    /// Lower edge of every bin, and the upper edge of the last.
    private static let bounds: InlineArray<18, Float> = InlineArray { place in
        place <= side ? -edges[side - place] : edges[place - side - 1]
    }

    /// Share of an exponential distribution with mean one in a bin on the positive side.
    static func exponentialMass(_ step: Int) -> Float {
        let low = Elementary.exp2(-Double(edges[step]) * 1.442_695)
        return Float(low - Elementary.exp2(-Double(edges[step + 1]) * 1.442_695))
    }

    static func bin(of residual: Float) -> Int {
        let size = abs(residual)
        let edges = edges
        guard size >= edges[0] else { return side }
        var step = 0
        while step < side - 1, size >= edges[step + 1] { step += 1 }
        return residual > 0 ? side + 1 + step : side - 1 - step
    }

    /// The masses of a row, each at four places of its bin, in units of which a scaled one is `scale`.
    static func points(_ row: [Float], scale: Float) -> [(value: Float, mass: Float)] {
        row.enumerated().flatMap { bin, mass in
            (0..<4).map { part in
                let place = bounds[bin] + (Float(part) + 0.5) / 4 * (bounds[bin + 1] - bounds[bin])
                return (bin == side ? 0 : place * scale, mass / 4)
            }
        }
    }

    /// Quantiles at ``levels`` of counted residuals; zero where nothing was counted.
    static func quantiles(_ counts: InlineArray<17, Float>) -> SIMD8<Float> {
        var total: Float = 0
        for bin in 0..<count { total += counts[bin] }
        var result = SIMD8<Float>()
        // Flat series: all in the centre.
        guard total > counts[side] else { return result }
        let targets = levels * total
        let bounds = bounds
        var bin = 0
        var below: Float = 0
        var here = counts[0]
        for level in 0..<8 {
            while bin < count - 1, below + here < targets[level] {
                below += here
                bin += 1
                here = counts[bin]
            }
            guard bin != side else { continue }
            let low = bounds[bin]
            result[level] = low + min(1, (targets[level] - below) / here) * (bounds[bin + 1] - low)
        }
        return result
    }
}
