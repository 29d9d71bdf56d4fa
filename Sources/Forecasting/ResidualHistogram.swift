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
        let edges = edges
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

/// Decayed empirical distributions, one per row. Decay is a weight that grows with every step; the bins themselves never
/// shrink but at a rare rescaling.
struct ResidualTable: Sendable {
    /// The bins of a row, then their sum.
    private static let stride = ResidualBins.count + 1
    private var cells: [Float]

    init(rows: Int) { cells = Array(repeating: 0, count: rows * Self.stride) }

    private func total(_ row: Int) -> Float { cells[row * Self.stride + ResidualBins.count] }

    /// Decayed number of observations, given the weight of a new one.
    func count(_ row: Int, weight: Double) -> Double { Double(total(row)) / weight }

    mutating func add(_ value: Double, row: Int, weight: Double) {
        cells[row * Self.stride + ResidualBins.index(of: value)] += Float(weight)
        cells[row * Self.stride + ResidualBins.count] += Float(weight)
    }

    mutating func code(_ coder: inout some StateCoder) { for index in cells.indices { coder.code(&cells[index]) } }

    mutating func rescale(by factor: Float) {
        for index in cells.indices { cells[index] *= factor }
    }

    /// The quantile with the finite-sample correction of conformal prediction: of n observations, the level q of a new
    /// one needs the q (n + 1) / n quantile of the old (Vovk, Gammerman and Shafer 2005), so that few observations
    /// give wide intervals. Nil when empty.
    ///
    /// - Parameter overlap: how many observations say about as much as one independent one.
    func quantile(_ level: Double, row: Int, weight: Double, overlap: Double = 1) -> Double? {
        var cursor = cursor(row, weight: weight, overlap: overlap)
        return cursor?.advance(to: level)
    }

    /// For several ascending levels in one pass; nil when empty.
    func cursor(_ row: Int, weight: Double, overlap: Double = 1) -> Cursor? {
        total(row) > 0
            ? Cursor(
                cells: cells, first: row * Self.stride, total: total(row), n: count(row, weight: weight) / overlap)
            : nil
    }

    /// Where a pass over one row stands.
    struct Cursor {
        private let cells: [Float]
        private let first: Int
        private let total: Float
        private let stretch: Double
        private var bin = 0
        private var below: Float = 0

        fileprivate init(cells: [Float], first: Int, total: Float, n: Double) {
            self.cells = cells
            self.first = first
            self.total = total
            stretch = (n + 1) / n
        }

        /// The quantile at a level not below that of the call before.
        mutating func advance(to level: Double) -> Double {
            let corrected = level >= 0.5 ? min(1, level * stretch) : max(0, 1 - (1 - level) * stretch)
            let wanted = Float(corrected) * total
            var last = bin
            while bin < ResidualBins.count {
                let mass = cells[first + bin]
                if mass > 0 {
                    last = bin
                    if below + mass >= wanted {
                        let (low, high) = ResidualBins.bounds(bin)
                        return low + (high - low) * Double((wanted - below) / mass)
                    }
                    below += mass
                }
                bin += 1
            }
            // Rounding let the bins add up to less than their sum: the end of the last one.
            bin = last
            below -= cells[first + last]
            return ResidualBins.bounds(last).1
        }
    }
}
