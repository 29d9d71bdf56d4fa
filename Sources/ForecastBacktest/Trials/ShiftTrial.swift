import Forecasting
import SimulationKit

/// Twenty learned series (daily 40 %, noise 3 %, 18 days at five minutes) that triple from one sample to the next.
public struct ShiftTrial: Sendable {
    /// Share of next samples inside the 90 % interval, samples 6 to 288 after the shift.
    public private(set) var coverage90 = 0.0
    /// Loss of the hour ahead by three times that of the same series without a shift: from the sixth sample to two hours,
    /// over the first day after these, and over the second day.
    public private(set) var lossEarly = 0.0
    public private(set) var lossFirstDay = 0.0
    public private(set) var lossSecondDay = 0.0

    public init() throws {
        let plan = SeriesPlan(try SeriesConfiguration())
        let prior = FleetPrior(plan: plan)
        let (day, start) = (plan.configuration.samplesPerDay, 18 * plan.configuration.samplesPerDay)
        var covered = 0.0
        var loss = [Double](repeating: 0, count: 2 * day)
        var normal = loss
        for seed in 1...20 as ClosedRange<UInt64> {
            var shape = SyntheticSeries.Shape()
            (shape.daily, shape.noise, shape.phase) = (0.4, 0.03, Double(seed) / 20)
            let flat = SyntheticSeries(shape, seed: seed, days: 21).expectedAndNoise
            (shape.shift, shape.shiftDay) = (3, 18)
            let up = SyntheticSeries(shape, seed: seed, days: 21).expectedAndNoise
            var calm = SeriesForecaster(plan: plan, prior: prior)
            for tick in 0..<start { try calm.observe(flat[tick], at: tick) }
            var moved = calm
            for tick in start..<start + 2 * day {
                if tick >= start + 5, tick < start + day, let given = moved.quantiles(ahead: 1) {
                    covered += up[tick] >= Double(given[1]) && up[tick] <= Double(given[5]) ? 1 : 0
                }
                try calm.observe(flat[tick], at: tick)
                try moved.observe(up[tick], at: tick)
                guard tick % 6 == 0 else { continue }
                for (step, (usual, given)) in zip(calm.quantiles(upTo: 12), moved.quantiles(upTo: 12)).enumerated() {
                    loss[tick - start] += scoredLoss(given, up[tick + 1 + step])
                    normal[tick - start] += 3 * scoredLoss(usual, flat[tick + 1 + step])
                }
            }
        }
        coverage90 = covered / Double(20 * (day - 5))
        func ratio(_ range: Range<Int>) -> Double { loss[range].reduce(0, +) / normal[range].reduce(0, +) }
        lossEarly = ratio(6..<24)
        lossFirstDay = ratio(24..<day)
        lossSecondDay = ratio(day..<2 * day)
    }
}

extension SyntheticSeries {
    /// Samples; zero where unknown.
    fileprivate var expectedAndNoise: [Double] { values.map { $0 ?? 0 } }
}
