/// What one lead, or a point between two, says before it is centred: everything that is interpolated over leads.
struct LeadView {
    /// Scaled quantiles of the experts' residuals, in the units of the series.
    var reach: InlineArray<5, SIMD8<Float>>
    /// Weights of the experts at each level.
    var weights: InlineArray<5, SIMD8<Float>>
    var persistence: SIMD4<Float>
    var widening: SIMD4<Float>
    var scale: Float
    /// By how much leading indicators move the first expert.
    var drift: Float

    /// Linear in the logarithm of the lead.
    func blended(with other: LeadView, share: Float) -> LeadView {
        var result = self
        for expert in 0..<Expert.count {
            result.reach[expert] += share * (other.reach[expert] - reach[expert])
            result.weights[expert] += share * (other.weights[expert] - weights[expert])
        }
        result.persistence += share * (other.persistence - persistence)
        result.widening += share * (other.widening - widening)
        result.scale += share * (other.scale - scale)
        result.drift += share * (other.drift - drift)
        return result
    }

    /// The combined quantiles, calibrated, in order, not negative.
    ///
    /// The weighted median of the experts is the reference; each expert moves it by at most one scale. Written as
    /// reference plus moves, so that experts of one mind give exactly that value: integer series live on ties.
    func combined(centres: SIMD8<Float>, liveliness: Float) -> SIMD8<Float> {
        var values = InlineArray<5, SIMD8<Float>>(repeating: SIMD8())
        for expert in 0..<Expert.count {
            values[expert] = (centres[expert] + liveliness * reach[expert]).positive
        }
        var reference = values[0]
        var least = SIMD8<Float>(repeating: .infinity)
        for candidate in 0..<Expert.count {
            var cost = SIMD8<Float>()
            for expert in 0..<Expert.count {
                let off = values[expert] - values[candidate]
                cost += weights[expert] * off.replacing(with: -off, where: off .< 0)
            }
            let isBetter = cost .< least
            least.replace(with: cost, where: isBetter)
            reference.replace(with: values[candidate], where: isBetter)
        }
        var move = SIMD8<Float>()
        for expert in 0..<Expert.count {
            let off = values[expert] - reference
            let bounded = off.clamped(
                lowerBound: SIMD8(repeating: -scale), upperBound: SIMD8(repeating: scale))
            move += weights[expert] * bounded
        }
        return calibrated(reference + move)
    }

    private func calibrated(_ raw: SIMD8<Float>) -> SIMD8<Float> {
        var ordered = raw
        for level in 1..<8 { ordered[level] = max(ordered[level], ordered[level - 1]) }
        let median = ordered[3]
        func factor(_ slot: Int) -> Float { Float(Elementary.exp2(Double(widening[slot]) * 1.442_695_040_888_963_4)) }
        let (outerLow, low, high, outerHigh) = (factor(0), factor(1), factor(2), factor(3))
        let factors = SIMD8<Float>(outerLow, low, low, 1, high, high, outerHigh, high)
        var result = (median + (ordered - median) * factors).positive
        // Outwards from the median.
        for level in stride(from: 2, through: 0, by: -1) { result[level] = min(result[level], result[level + 1]) }
        for level in 4..<8 { result[level] = max(result[level], result[level - 1]) }
        return result
    }
}

extension SeriesForecaster {
    /// What a followed lead says in the present context.
    func view(_ index: Int, isHigh: Bool) -> LeadView {
        let state = leads[index]
        let scale = scale(index)
        let youth = youth(index)
        let fleet = (slow + 1) * prior.increments[index]
        let weights = state.weights(prior, lead: index, trust: Self.priorTrust * youth)
        var reach = InlineArray<5, SIMD8<Float>>(repeating: SIMD8())
        var byLevel = InlineArray<5, SIMD8<Float>>(repeating: SIMD8())
        for expert in 0..<Expert.count {
            let own = scale * ResidualGrid.quantiles(counts(index, expert: expert, isHigh: isHigh))
            reach[expert] = youth > 0 ? own + youth * strangeness * (fleet - own) : own
            let (low, middle, high) = (weights.low[expert], weights.middle[expert], weights.high[expert])
            byLevel[expert] = SIMD8(low, low, low, middle, high, high, high, high)
        }
        return LeadView(
            reach: reach, weights: byLevel, persistence: state.persistence(plan.leads[index]),
            widening: state.widening + inexperience(index), scale: scale,
            drift: nowTick == tick && !indicators.isEmpty ? scale * indicators[0].change(index, from: tick) : 0)
    }

    /// Matured forecasts that the fleet's losses count for while a lead has none.
    static let priorTrust: Float = 20

    // MARK: Calibration

    private static let missShare = SIMD4<Float>(0.025, 0.1, 0.1, 0.025)
    private static let learningRate = SIMD4<Float>(0.05, 0.02, 0.02, 0.05)
    /// ln .8; ln 3, ln 1.6.
    private static let wideningMin = SIMD4<Float>(repeating: -0.223_143_55)
    private static let wideningMax = SIMD4<Float>(1.098_612_3, 0.470_003_63, 0.470_003_63, 1.098_612_3)

    private func slot(_ index: Int, at origin: Int) -> Int? {
        let lead = plan.leads[index]
        guard origin >= 0, origin % lead.issueEvery == 0 else { return nil }
        return (lead.pendingPlace + origin / lead.issueEvery % lead.pendingSlots) * Self.pendingLevels
    }

    /// Adaptive conformal inference (Gibbs and Candes, 2021): forecasts on record that mature now move the widening.
    mutating func judge(_ sample: Float?) {
        for index in leads.indices {
            guard let slot = slot(index, at: tick - plan.leads[index].ticks), pending[slot] != PackedFloat.none else {
                continue
            }
            let known = SIMD8<Float>(
                PackedFloat.unpack(pending[slot]), PackedFloat.unpack(pending[slot + 1]),
                PackedFloat.unpack(pending[slot + 2]), PackedFloat.unpack(pending[slot + 3]),
                PackedFloat.unpack(pending[slot + 4]), 0, 0, 0)
            pending[slot] = PackedFloat.none
            guard let sample else { continue }
            score(index, sample: sample, given: known)
            let value = PackedFloat.unpack(PackedFloat.pack(sample))
            var missed = SIMD4<Float>()
            missed[0] = value < known[0] ? 1 : 0
            missed[1] = value < known[1] ? 1 : 0
            missed[2] = value > known[3] ? 1 : 0
            missed[3] = value > known[4] ? 1 : 0
            let moved =
                leads[index].widening + plan.leads[index].calibrationRate * Self.learningRate
                * (missed - Self.missShare)
            leads[index].widening = moved.clamped(lowerBound: Self.wideningMin, upperBound: Self.wideningMax)
        }
    }

    /// Puts forecasts on record.
    mutating func issue(isKnown: Bool) {
        for index in leads.indices {
            guard let slot = slot(index, at: tick) else { continue }
            guard isKnown, tick - firstTick >= 2 * plan.day else {
                pending[slot] = PackedFloat.none
                continue
            }
            let quantiles = capped(quantiles(view(index, isHigh: now.isHigh), at: tick + plan.leads[index].ticks))
            pending[slot] = PackedFloat.pack(quantiles[0])
            pending[slot + 1] = PackedFloat.pack(quantiles[2])
            pending[slot + 2] = PackedFloat.pack(quantiles[3])
            pending[slot + 3] = PackedFloat.pack(quantiles[4])
            pending[slot + 4] = PackedFloat.pack(quantiles[6])
        }
    }
}
