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
    private static let edges: [Float] = (0...side).map { power in
        var edge = first
        for _ in 0..<power { edge *= ratio }
        return Float(edge)
    }
    /// Lower edge of every bin, and the upper edge of the last.
    private static let bounds: [Float] = edges.reversed().map { -$0 } + edges

    static func bin(of residual: Float) -> Int {
        let size = abs(residual)
        guard size >= edges[0] else { return side }
        var step = 0
        while step < side - 1, size >= edges[step + 1] { step += 1 }
        return residual > 0 ? side + 1 + step : side - 1 - step
    }

    /// Quantiles at ``levels`` of counted residuals; zero where nothing was counted.
    static func quantiles(_ counts: SIMD32<UInt32>) -> SIMD8<Float> {
        var total: UInt32 = 0
        for bin in 0..<count { total &+= counts[bin] }
        var result = SIMD8<Float>()
        guard total > 0 else { return result }
        let targets = levels * Float(total)
        var bin = 0
        var below: Float = 0
        var here = Float(counts[0])
        for level in 0..<8 {
            while bin < count - 1, below + here < targets[level] {
                below += here
                bin += 1
                here = Float(counts[bin])
            }
            guard bin != side else { continue }
            let low = bounds[bin]
            let high = bounds[bin + 1]
            result[level] = low + min(1, (targets[level] - below) / here) * (high - low)
        }
        return result
    }
}
