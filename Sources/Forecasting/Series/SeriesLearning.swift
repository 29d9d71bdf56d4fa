/// What matures now teaches its lead.
extension SeriesForecaster {
    /// Shorter leads would take the interpolation for calm.
    private static let filledLeadMin = 7

    /// - Parameter isFilled: the newest value was interpolated; the shortest leads learn nothing from such.
    mutating func learnLeads(isFilled: Bool) {
        let target = Bases(
            profile: season.profileValue(at: tick, plan), week: season.weekValue(at: plan.counterpart(of: tick), plan))
        for index in leads.indices {
            let lead = plan.leads[index]
            guard tick % lead.stride == 0, let origin = mark(at: tick - lead.ticks),
                lead.ticks >= Self.filledLeadMin || !(isFilled || origin.isFilled)
            else { continue }
            learn(index, lead: lead, origin: origin, target: target)
        }
    }

    private mutating func learn(_ index: Int, lead: LeadPlan, origin: OriginMark, target: Bases) {
        let value = now.value
        let originTick = tick - lead.ticks
        let source = Bases(
            profile: season.profileValue(at: originTick, plan),
            week: season.weekValue(at: plan.counterpart(of: originTick), plan))
        var state = leads[index]
        grow(&state, increment: abs(value - origin.value), lead: lead)
        let unit = state.scale
        // What was forecast before a large shift says nothing about the level after it.
        if originTick < anchorTick - plan.anchorSpan, anchorSize > 4 * unit {
            leads[index] = state
            return
        }
        let width = unit * origin.liveliness
        var centres = centres(
            of: origin, from: source, to: target, persistence: state.persistence(lead))
        if !indicators.isEmpty {
            centres[0] = max(0, centres[0] + unit * indicators[0].change(index, from: originTick))
            indicators[0].learn(index, from: originTick, change: (value - origin.value) / unit, plan: plan)
        }
        weigh(&state, index: index, lead: lead, centres: centres, origin: origin, width: width, unit: unit)
        record(&state, index: index, lead: lead, centres: centres, isHigh: origin.isHigh, width: width)
        persist(&state, lead: lead, origin: origin, source: source, target: target, width: width)
        leads[index] = state
    }

    /// A robust mean: the power and the clip keep one level shift from widening every forecast for weeks.
    private func grow(_ state: inout LeadState, increment: Float, lead: LeadPlan) {
        // A series that has been flat so far has no scale yet to clip at.
        let isBounded = state.scaleCount > 20 && state.scale > LeadState.scaleMin
        let bounded = isBounded ? min(increment, 20 * state.scale) : increment
        state.scaleCount = state.scaleCount * lead.scaleDecay + 1
        state.scaleSum = state.scaleSum * lead.scaleDecay + Float(Elementary.power(Double(bounded), 0.8))
    }

    /// Losses of the experts' quantiles as they would have been given at the origin, relative to the experts' mean: every
    /// moment votes alike, so that one old shift cannot choose the expert.
    private func weigh(
        _ state: inout LeadState, index: Int, lead: LeadPlan, centres: SIMD8<Float>, origin: OriginMark, width: Float,
        unit: Float
    ) {
        let levels = ResidualGrid.levels
        var losses: InlineArray<5, SIMD8<Float>> = .init(repeating: SIMD8())
        var total = SIMD8<Float>()
        for expert in 0..<Expert.count {
            let shape = ResidualGrid.quantiles(counts(index, expert: expert, isHigh: origin.isHigh))
            let forecast = (centres[expert] + width * shape).positive
            let miss = (now.value - forecast) / unit
            let loss = (levels * miss).replacing(with: (levels - 1) * miss, where: miss .< 0)
            losses[expert] = loss
            total += loss
        }
        var mean: Float = 0
        for level in 0..<8 { mean += total[level] }
        mean /= Float(8 * Expert.count)
        let norm = 1 / (0.1 + 0.9 * mean)
        var (low, middle, high) = (state.low.lanes, state.middle.lanes, state.high.lanes)
        low *= lead.lossDecay
        middle *= lead.lossDecay
        high *= lead.lossDecay
        state.lossCount = state.lossCount * lead.lossDecay + 1
        for expert in 0..<Expert.count {
            var relative = losses[expert] * norm
            relative = relative.replacing(with: 5, where: relative .> 5)
            low[expert] += relative[0] + relative[1] + relative[2]
            middle[expert] += relative[3]
            high[expert] += relative[4] + relative[5] + relative[6] + relative[7]
        }
        state.low.lanes = low
        state.middle.lanes = middle
        state.high.lanes = high
    }

    /// Today's residuals into the histograms.
    private mutating func record(
        _ state: inout LeadState, index: Int, lead: LeadPlan, centres: SIMD8<Float>, isHigh: Bool, width: Float
    ) {
        state.longWeight *= lead.longGrowth
        state.shortWeight *= lead.shortGrowth
        let first = index * Self.histogramsPerLead * ResidualGrid.count
        let long = first + ResidualGrid.count
        if state.longWeight >= 2 * lead.longWeight {
            state.longWeight /= 2
            for bin in long..<first + Self.histogramsPerLead * ResidualGrid.count { residuals[bin] >>= 1 }
        }
        if state.shortWeight >= 2 * lead.shortWeight {
            state.shortWeight /= 2
            for bin in first..<long { residuals[bin] >>= 1 }
        }
        let longAmount = (state.longWeight + state.longCarry).rounded(.down)
        state.longCarry += state.longWeight - longAmount
        let shortAmount = (state.shortWeight + state.shortCarry).rounded(.down)
        state.shortCarry += state.shortWeight - shortAmount
        for expert in 0..<Expert.count {
            let bin = ResidualGrid.bin(of: (now.value - centres[expert]) / width)
            let place = base(index, expert: expert, isHigh: isHigh) + bin
            let amount = UInt16(expert == 0 ? shortAmount : longAmount)
            let (sum, isOver) = residuals[place].addingReportingOverflow(amount)
            residuals[place] = isOver ? .max : sum
        }
    }

    /// How much of a deviation is still there: a decayed regression through the origin, with outliers dimmed.
    private func persist(
        _ state: inout LeadState, lead: LeadPlan, origin: OriginMark, source: Bases, target: Bases, width: Float
    ) {
        let present = state.persistence(lead)
        var (products, squares) = (state.productSum.lanes, state.squareSum.lanes)
        func learn(_ slot: Int, from base: Float?, to later: Float?) {
            guard let base, let later else { return }
            let x = (origin.value - base) / width
            let expected = present[slot] * x
            let y = min(max((now.value - later) / width, expected - 3), expected + 3)
            let weight = abs(x) <= 4 ? 1 : 16 / (x * x)
            products[slot] = products[slot] * lead.persistenceDecay + weight * x * y
            squares[slot] = squares[slot] * lead.persistenceDecay + weight * x * x
        }
        if origin.shift == 0 {
            learn(0, from: source.profile, to: target.profile)
            learn(1, from: source.week, to: target.week)
        }
        learn(2, from: origin.fast, to: origin.fast)
        state.productSum.lanes = products
        state.squareSum.lanes = squares
    }

    // MARK: Tables

    /// Residuals that the fleet counts for while a lead has none.
    private static let priorVotes: Float = 8

    private func base(_ lead: Int, expert: Int, isHigh: Bool) -> Int {
        let row = expert == 0 ? 0 : 2 * expert - (isHigh ? 0 : 1)
        return (lead * Self.histogramsPerLead + row) * ResidualGrid.count
    }

    /// Residuals of an expert in the present context, with a sixth of those of the other one.
    func counts(_ lead: Int, expert: Int, isHigh: Bool) -> InlineArray<17, Float> {
        var result = InlineArray<17, Float>(repeating: 0)
        let bins = residuals.span
        let own = base(lead, expert: expert, isHigh: isHigh)
        if expert == 0 {
            for bin in 0..<ResidualGrid.count { result[bin] = Float(bins[own + bin]) }
        } else {
            let other = base(lead, expert: expert, isHigh: !isHigh)
            for bin in 0..<ResidualGrid.count { result[bin] = 6 * Float(bins[own + bin]) + Float(bins[other + bin]) }
        }
        let youth = youth(lead)
        guard youth > 0 else { return result }
        let weight = expert == 0 ? leads[lead].shortWeight : 7 * leads[lead].longWeight
        let votes = Self.priorVotes * youth * weight
        for bin in 0..<ResidualGrid.count { result[bin] += votes * prior.residuals[own + bin] }
        return result
    }
}

/// Seasonal values at one moment; nil where the season is not known.
struct Bases {
    var profile: Float?
    var week: Float?
}

extension SeriesForecaster {
    /// Where each expert expects the target.
    ///
    /// During a shift deviations do not fade, and the season is scaled rather than moved.
    func centres(of origin: OriginMark, from source: Bases, to target: Bases, persistence: SIMD4<Float>) -> SIMD8<Float>
    {
        let value = origin.value
        let shift = origin.shift
        func seasonal(_ share: Float, _ source: Float?, _ target: Float?) -> Float? {
            guard let source, let target else { return nil }
            let kept = share + (1 - share) * shift
            var centre = target + kept * (value - source)
            if shift > 0 {
                let factor = source > 0 ? min(value / source, 5) : 5
                centre += shift * (target * factor - centre)
            }
            return centre
        }
        let profile = seasonal(persistence[0], source.profile, target.profile)
        let daily = profile ?? slow + persistence[0] * (value - slow)
        let weekly = seasonal(persistence[1], source.week, target.week) ?? daily
        let level = origin.fast + persistence[2] * (value - origin.fast)
        let raw = SIMD8<Float>(value, value, daily, weekly, level, 0, 0, 0)
        // As in ``snap(_:_:)``.
        let off = raw - value
        let near = (off .<= 1e-5 * value) .& (off .>= -1e-5 * value)
        return raw.replacing(with: value, where: near).positive
    }
}

extension SIMD8<Float> {
    /// Negative lanes become zero.
    var positive: Self { replacing(with: 0, where: self .< 0) }
}
