/// How the forecasts on record of one lead did, with a memory of about three days.
struct SeriesScoreBook: Sendable, Hashable {
    /// Judged forecasts before a figure is given.
    static let countMin: Float = 10
    var count: Float = 0
    var inside: Float = 0
    var own: Float = 0
    var base: Float = 0

    func mean(_ sum: Float) -> Double? { count >= Self.countMin ? Double(sum / count) : nil }
}

extension SeriesForecaster {
    /// A profile whose loss exceeds the baseline's by this factor is degraded.
    private static let degradedRatio = 1.1

    /// - Parameter known: what was given: .025, .1, .5, .9, .975.
    mutating func score(_ index: Int, sample: Float, given known: SIMD8<Float>) {
        let lead = plan.leads[index]
        guard let origin = mark(at: tick - lead.ticks) else { return }
        let decay = lead.judgedDecay
        let base = baseline(index, from: origin)
        func loss(_ low: Float, _ middle: Float, _ high: Float) -> Float {
            func pinball(_ quantile: Float, _ level: Float) -> Float {
                let miss = sample - quantile
                return max(level * miss, (level - 1) * miss)
            }
            return (pinball(low, 0.1) + pinball(middle, 0.5) + pinball(high, 0.9)) / 3
        }
        var book = leads[index].score
        book.count = book.count * decay + 1
        book.inside = book.inside * decay + (sample >= known[1] && sample <= known[3] ? 1 : 0)
        book.own = book.own * decay + loss(known[1], known[2], known[3])
        book.base = book.base * decay + loss(base[2], base[3], base[4])
        leads[index].score = book
    }

    /// How much the series knows.
    public var state: ProfileState {
        guard samples > 0, leads[0].lossCount >= 1 else { return .cold }
        if isDegraded { return .degraded }
        return leads[leads.count - 1].score.count >= SeriesScoreBook.countMin ? .ready : .learning
    }

    /// Whether the geometric mean over the leads of own loss by that of the last value with its increments, of the
    /// last days, says that the latter would have been better.
    public var isDegraded: Bool {
        var sum = 0.0
        var count = 0
        for score in leads.map(\.score) {
            guard let own = score.mean(score.own), let base = score.mean(score.base) else { continue }
            sum += Elementary.log2((own + 1e-3) / (base + 1e-3))
            count += 1
        }
        return count > 0 && sum / Double(count) > Elementary.log2(Self.degradedRatio)
    }
}
