import Forecasting

/// Twice the mean pinball loss at the scored levels.
func scoredLoss(_ row: [Double], _ value: Double) -> Double {
    var sum = 0.0
    for place in SeriesScore.scored {
        let miss = value - row[place]
        let level = Quantile.levels[place]
        sum += 2 * max(level * miss, (level - 1) * miss)
    }
    return sum / Double(SeriesScore.scored.count)
}

func scoredLoss(_ row: SIMD8<Float>, _ value: Double) -> Double { scoredLoss((0..<8).map { Double(row[$0]) }, value) }
