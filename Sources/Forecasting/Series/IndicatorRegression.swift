/// Up to five other series (CPU, memory, own and peers' traffic, launches without an identifier) as leading indicators of
/// one.
///
/// For each lead up to an hour: decayed ridge regression of the coming change on the indicators' changes over the last 1,
/// 2, 4 and 7 samples. What it says moves one expert only, so that it counts where it has earned its weight.
struct IndicatorRegression: Sendable, Hashable {
    static let indicatorMax = 5
    static let lags = [1, 2, 4, 7]

    /// Whether a value can be an indicator's; sums of some must stay finite.
    static func accepts(_ value: Double) -> Bool { value >= 0 && value < 1e30 }

    private static let history = 20
    /// Half-life of what is learnt: four days.
    private static let memoryDays = 4.0
    /// Standard units beyond which changes count no more.
    private static let bound: Float = 4

    /// Zero while nobody gave an indicator: then nothing is stored or computed.
    private(set) var count = 0
    private var values: [Float] = []
    /// The tick of the newest values, and how many ticks in a row are known.
    private var tick = 0
    private var run: Int32 = 0
    /// Decayed mean absolute change over one sample, by indicator.
    private var units = SIMD8<Float>()
    /// Lower triangle, row by row.
    private var covariance: [Float] = []
    private var products: [Float] = []
    private(set) var coefficients: [Float] = []
    private var unitCount: Float = 0
    private var leadCount = 0

    private var features: Int { count * Self.lags.count }

    /// Values at a tick, not negative and finite; unknown ones interrupt.
    mutating func observe(_ sample: [Float], at tick: Int, plan: SeriesPlan) {
        if count == 0 { start(sample.count, plan) }
        run = tick == self.tick + 1 ? run + 1 : 1
        self.tick = tick
        let place = tick % Self.history
        if run > 1 {
            let before = (tick - 1) % Self.history
            unitCount = min(unitCount + 1, 1e6)
            let gain = max(plan.slowGain, 1 / unitCount)
            for index in 0..<count {
                let change = abs(sample[index] - values[before * count + index])
                units[index] += gain * (change - units[index])
            }
        }
        for index in 0..<count { values[place * count + index] = sample[index] }
    }

    private mutating func start(_ count: Int, _ plan: SeriesPlan) {
        self.count = min(count, Self.indicatorMax)
        leadCount = plan.leads.count { $0.ticks <= plan.hour && $0.ticks <= Self.history - 8 }
        values = Array(repeating: 0, count: Self.history * self.count)
        covariance = Array(repeating: 0, count: features * (features + 1) / 2)
        products = Array(repeating: 0, count: leadCount * features)
        coefficients = products
    }

    /// Changes up to `origin`, in mean absolute changes; nil where they are not known.
    private func changes(at origin: Int) -> [Float]? {
        let age = tick - origin
        guard count > 0, age >= 0, run > age + 7, age + 7 < Self.history else { return nil }
        var result: [Float] = []
        result.reserveCapacity(features)
        for index in 0..<count {
            let here = values[origin % Self.history * count + index]
            for lag in Self.lags {
                let change = here - values[(origin - lag) % Self.history * count + index]
                let unit = max(units[index], 1e-9) * Float(lag).squareRoot()
                result.append(min(max(change / unit, -Self.bound), Self.bound))
            }
        }
        return result
    }

    /// Learns the change over one lead that is known now.
    ///
    /// - Parameters:
    ///   - lead: its place; leads beyond an hour are ignored.
    ///   - change: in scales of the lead.
    mutating func learn(_ lead: Int, from origin: Int, change: Float, plan: SeriesPlan) {
        guard lead < leadCount, let x = changes(at: origin) else { return }
        let stride = Double(plan.leads[lead].stride)
        let decay = Float(Elementary.exp2(-stride / (Self.memoryDays * Double(plan.day))))
        let y = min(max(change, -2 * Self.bound), 2 * Self.bound)
        for feature in 0..<features {
            let place = lead * features + feature
            products[place] = products[place] * decay + x[feature] * y
        }
        // One covariance serves all leads: that of the first.
        guard lead == 0 else { return }
        for row in 0..<features {
            for column in 0...row {
                let place = row * (row + 1) / 2 + column
                covariance[place] = covariance[place] * decay + x[row] * x[column]
            }
        }
    }

    /// Expected change over a lead from the newest tick, in scales; zero where nothing is known.
    func change(_ lead: Int, from origin: Int) -> Float {
        guard lead < leadCount, let x = changes(at: origin) else { return 0 }
        var sum: Float = 0
        for feature in 0..<features { sum += coefficients[lead * features + feature] * x[feature] }
        return sum
    }

    /// Expected change over a lead, in scales, for one unit of change of each indicator; empty beyond an hour.
    func influences(_ lead: Int) -> [Float] {
        guard lead < leadCount else { return [] }
        return (0..<count).map { index in
            let first = lead * features + index * Self.lags.count
            return coefficients[first..<first + Self.lags.count].reduce(0, +)
        }
    }

    /// Solves for all leads (Cholesky); a few hundred operations, done every few samples.
    mutating func solve(plan: SeriesPlan) {
        guard count > 0 else { return }
        let size = features
        var factor = [Float](repeating: 0, count: size * size)
        let ridge: Float = 50
        for row in 0..<size {
            for column in 0...row {
                var sum = covariance[row * (row + 1) / 2 + column] + (row == column ? ridge : 0)
                for inner in 0..<column { sum -= factor[row * size + inner] * factor[column * size + inner] }
                factor[row * size + column] =
                    row == column ? max(sum, 1e-3).squareRoot() : sum / factor[column * size + column]
            }
        }
        for lead in 0..<leadCount {
            // Sums of strided leads are as much smaller as their strides are larger.
            let weight = Float(plan.leads[lead].stride) / Float(plan.leads[0].stride)
            var solution = (0..<size).map { products[lead * size + $0] * weight }
            for row in 0..<size {
                for inner in 0..<row { solution[row] -= factor[row * size + inner] * solution[inner] }
                solution[row] /= factor[row * size + row]
            }
            for row in stride(from: size - 1, through: 0, by: -1) {
                for inner in row + 1..<size { solution[row] -= factor[inner * size + row] * solution[inner] }
                solution[row] /= factor[row * size + row]
            }
            for row in 0..<size { coefficients[lead * size + row] = solution[row] }
        }
    }

    mutating func code(_ coder: inout some StateCoder, plan: SeriesPlan) {
        var stored = UInt8(count)
        coder.code(&stored)
        if count == 0, stored > 0 { start(Int(stored), plan) }
        guard count > 0 else { return }
        coder.code(&tick)
        coder.code(&run)
        coder.code(&unitCount)
        coder.code(&units)
        for path in [\Self.values, \.covariance, \.products, \.coefficients] {
            for index in self[keyPath: path].indices { coder.code(&self[keyPath: path][index]) }
        }
    }
}
