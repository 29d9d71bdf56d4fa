/// Bins of a scaled residual: one for "nothing happened", which stands for exactly 0 (integer series have many ties),
/// then bins whose width grows by a constant factor on either side. What lies beyond the last goes into it.
enum ResidualBins {
    static let side = 12
    static let count = 2 * side + 1
    private static let ratio = 1.91

    /// Upper edges of the centre bin and of the bins above it, ascending.
    static let edges: [Double] = {
        var edge = 0.05
        return (0...side).map { _ in
            defer { edge *= ratio }
            return edge
        }
    }()

    static func index(of value: Double) -> Int {
        let magnitude = abs(value)
        var bin = 0
        while bin < side, magnitude >= edges[bin] { bin += 1 }
        return value < 0 ? side - bin : side + bin
    }

    /// Lower and upper edge of a bin; the centre bin is the single value 0.
    static func bounds(_ index: Int) -> (Double, Double) {
        let bin = abs(index - side)
        guard bin > 0 else { return (0, 0) }
        let (low, high) = (edges[bin - 1], edges[bin])
        return index > side ? (low, high) : (-high, -low)
    }
}

/// A decayed empirical distribution. Decay is a weight that grows with every step; the bins themselves never shrink
/// but at a rare rescaling.
struct ResidualHistogram: Sendable {
    private var bins: [Float] = Array(repeating: 0, count: ResidualBins.count)
    private var total: Float = 0

    /// Decayed number of observations, given the weight of a new one.
    func count(weight: Double) -> Double { Double(total) / weight }

    mutating func add(_ value: Double, weight: Double) {
        bins[ResidualBins.index(of: value)] += Float(weight)
        total += Float(weight)
    }

    mutating func rescale(by factor: Float) {
        for index in bins.indices { bins[index] *= factor }
        total *= factor
    }

    /// The quantile with the finite-sample correction of conformal prediction: of n observations, the level q of a new
    /// one needs the q (n + 1) / n quantile of the old (Vovk, Gammerman and Shafer 2005), so that few observations
    /// give wide intervals. Nil when empty.
    ///
    /// - Parameter overlap: how many observations say about as much as one independent one.
    func quantile(_ level: Double, weight: Double, overlap: Double = 1) -> Double? {
        guard total > 0 else { return nil }
        let n = count(weight: weight) / overlap
        let stretch = (n + 1) / n
        let corrected = level >= 0.5 ? min(1, level * stretch) : max(0, 1 - (1 - level) * stretch)
        let wanted = Float(corrected) * total
        var below: Float = 0
        var last = 0
        for index in bins.indices where bins[index] > 0 {
            last = index
            let above = below + bins[index]
            if above >= wanted {
                let (low, high) = ResidualBins.bounds(index)
                return low + (high - low) * Double((wanted - below) / bins[index])
            }
            below = above
        }
        return ResidualBins.bounds(last).1
    }
}
