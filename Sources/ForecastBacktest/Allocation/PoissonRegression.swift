/// Counts whose logarithm of the mean is linear in features: weighted maximum likelihood with a ridge, by Newton's method.
struct PoissonRegression {
    /// Rows of equal length, one after the other.
    struct Rows: Sendable {
        let width: Int
        private(set) var features: [Float] = []
        private(set) var counts: [Float] = []
        private(set) var weights: [Float] = []
        init(width: Int) { self.width = width }

        mutating func append(_ row: [Float], count: Float, weight: Float) {
            features.append(contentsOf: row)
            counts.append(count)
            weights.append(weight)
        }
    }

    private let width: Int
    private let ridge: Double
    private static let roundsMax = 40

    init(width: Int, ridge: Double) { (self.width, self.ridge) = (width, ridge) }

    /// - Parameter start: coefficients to begin with; nil: a constant rate.
    func fit(_ parts: [Rows], start: [Double]? = nil) -> [Double] {
        var beta = start ?? initial(parts)
        var step = Step(parts, beta, ridge: ridge, width: width)
        for _ in 0..<Self.roundsMax {
            let direction = step.solved()
            var share = 1.0
            var next = step
            repeat {
                let moved = zip(beta, direction).map { $0 + share * $1 }
                next = Step(parts, moved, ridge: ridge, width: width)
                if next.objective >= step.objective - 1e-9 { break }
                share /= 2
            } while share > 1e-4
            let gain = next.objective - step.objective
            guard gain > 0 else { break }
            beta = next.beta
            step = next
            if gain < 1e-7 * step.objective.magnitude { break }
        }
        return beta
    }

    /// Twice the weighted log likelihood that is missing to a perfect fit, per unit of weighted count.
    static func deviance(_ parts: [Rows], _ beta: [Double]) -> Double {
        var sum = 0.0
        var total = 0.0
        for rows in parts {
            for row in rows.counts.indices {
                let eta = predictor(rows, row, beta)
                let (count, weight) = (Double(rows.counts[row]), Double(rows.weights[row]))
                let mean = naturalExponential(eta)
                sum += 2 * weight * ((count > 0 ? count * (naturalLogarithm(count) - eta) : 0) - count + mean)
                total += weight * count
            }
        }
        return sum / max(1e-9, total)
    }

    private func initial(_ parts: [Rows]) -> [Double] {
        var count = 0.0
        var weight = 0.0
        for rows in parts {
            for row in rows.counts.indices {
                count += Double(rows.counts[row] * rows.weights[row])
                weight += Double(rows.weights[row])
            }
        }
        var beta = [Double](repeating: 0, count: width)
        beta[0] = naturalLogarithm(max(1e-9, count) / max(1e-9, weight))
        return beta
    }

    private static func predictor(_ rows: Rows, _ row: Int, _ beta: [Double]) -> Double {
        var eta = 0.0
        let first = row * rows.width
        for place in 0..<rows.width { eta += beta[place] * Double(rows.features[first + place]) }
        return min(eta, 20)
    }

    /// Likelihood, gradient and curvature at one place.
    private struct Step {
        let beta: [Double]
        var objective = 0.0
        private var gradient: [Double]
        private var curvature: [Double]
        private let width: Int

        init(_ parts: [Rows], _ beta: [Double], ridge: Double, width: Int) {
            (self.beta, self.width) = (beta, width)
            gradient = Array(repeating: 0, count: width)
            curvature = Array(repeating: 0, count: width * width)
            for rows in parts { add(rows) }
            for place in 1..<width {
                objective -= ridge / 2 * beta[place] * beta[place]
                gradient[place] -= ridge * beta[place]
                curvature[place * width + place] += ridge
            }
        }

        private mutating func add(_ rows: Rows) {
            var scaled = [Double](repeating: 0, count: width)
            for row in rows.counts.indices {
                let first = row * width
                let eta = PoissonRegression.predictor(rows, row, beta)
                let (count, weight) = (Double(rows.counts[row]), Double(rows.weights[row]))
                let mean = naturalExponential(eta)
                objective += weight * (count * eta - mean)
                let residual = weight * (count - mean)
                for place in 0..<width { scaled[place] = Double(rows.features[first + place]) }
                for place in 0..<width {
                    let value = scaled[place]
                    guard value != 0 else { continue }
                    gradient[place] += residual * value
                    let factor = weight * mean * value
                    let line = place * width
                    for other in place..<width { curvature[line + other] += factor * scaled[other] }
                }
            }
        }

        /// Newton's direction, by Cholesky.
        func solved() -> [Double] {
            var factor = [Double](repeating: 0, count: width * width)
            for row in 0..<width {
                for column in 0...row {
                    var sum = curvature[column * width + row]
                    for inner in 0..<column { sum -= factor[row * width + inner] * factor[column * width + inner] }
                    if row == column {
                        factor[row * width + row] = max(sum, 1e-9).squareRoot()
                    } else {
                        factor[row * width + column] = sum / factor[column * width + column]
                    }
                }
            }
            var result = gradient
            for row in 0..<width {
                for inner in 0..<row { result[row] -= factor[row * width + inner] * result[inner] }
                result[row] /= factor[row * width + row]
            }
            for row in stride(from: width - 1, through: 0, by: -1) {
                for inner in row + 1..<width { result[row] -= factor[inner * width + row] * result[inner] }
                result[row] /= factor[row * width + row]
            }
            return result
        }
    }
}
