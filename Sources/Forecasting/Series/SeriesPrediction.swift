extension SeriesForecaster {
    /// Quantiles at ``Quantile/levels`` for one moment after the newest tick; nil before the first sample.
    ///
    /// - Parameter ahead: ticks, at least one; beyond a day the spread of a day is given.
    public func quantiles(ahead: Int) -> SIMD8<Float>? {
        guard samples > 0, ahead > 0 else { return nil }
        let lead = tick - nowTick + ahead
        return capped(quantiles(view(lead: lead), at: tick + ahead))
    }

    /// Quantiles for every tick up to `count`, cheaper than one by one.
    public func quantiles(upTo count: Int) -> [SIMD8<Float>] {
        guard samples > 0 else { return [] }
        let views = leads.indices.map { view($0, isHigh: now.isHigh) }
        return (0..<max(0, count)).map { step in
            let place = position(lead: tick - nowTick + step + 1)
            let view =
                place.share == 0
                ? views[place.index] : views[place.index].blended(with: views[place.index + 1], share: place.share)
            return capped(quantiles(view, at: tick + step + 1))
        }
    }

    /// What is given to others, for every tick up to `count`: the experts' quantiles, or the baseline's where these have
    /// been better over the last days.
    public func givenQuantiles(upTo count: Int) -> [SIMD8<Float>] {
        guard isDegraded else { return quantiles(upTo: count) }
        let views = leads.indices.map { baseline($0, from: now) }
        return (0..<max(0, count)).map { baseline(views, ahead: $0 + 1) }
    }

    /// The same for one moment.
    public func givenQuantiles(ahead: Int) -> SIMD8<Float>? {
        isDegraded ? baselineQuantiles(ahead: ahead) : quantiles(ahead: ahead)
    }

    /// Quantiles of the baseline: the last value with its increments.
    public func baselineQuantiles(ahead: Int) -> SIMD8<Float>? {
        guard samples > 0, ahead > 0 else { return nil }
        return baseline(leads.indices.map { baseline($0, from: now) }, ahead: ahead)
    }

    private func baseline(_ views: [SIMD8<Float>], ahead: Int) -> SIMD8<Float> {
        let place = position(lead: tick - nowTick + ahead)
        let here = views[place.index]
        guard place.share > 0 else { return capped(here) }
        return capped(here + place.share * (views[place.index + 1] - here))
    }

    func baseline(_ index: Int, from origin: OriginMark) -> SIMD8<Float> {
        let shape = ResidualGrid.quantiles(counts(index, expert: Expert.last.rawValue, isHigh: origin.isHigh))
        return (origin.value + leads[index].scale * origin.liveliness * shape).positive
    }

    private func position(lead: Int) -> (index: Int, share: Float) {
        let last = plan.leads.count - 1
        guard lead > plan.leads[0].ticks else { return (0, 0) }
        guard lead < plan.leads[last].ticks else { return (last, 0) }
        var index = 0
        while plan.leads[index + 1].ticks <= lead { index += 1 }
        let here = plan.leads[index]
        guard lead > here.ticks else { return (index, 0) }
        let log = Float(Elementary.log2(Double(lead)) * 0.693_147_180_559_945_3)
        return (index, (log - here.logTicks) / (plan.leads[index + 1].logTicks - here.logTicks))
    }

    private func view(lead: Int) -> LeadView {
        let place = position(lead: lead)
        let here = view(place.index, isHigh: now.isHigh)
        return place.share == 0
            ? here : here.blended(with: view(place.index + 1, isHigh: now.isHigh), share: place.share)
    }

    func quantiles(_ view: LeadView, at target: Int) -> SIMD8<Float> {
        var centres = centres(
            of: now,
            from: Bases(
                profile: season.profileValue(at: nowTick, plan),
                week: season.weekValue(at: plan.counterpart(of: nowTick), plan)),
            to: Bases(
                profile: season.profileValue(at: target, plan),
                week: season.weekValue(at: plan.counterpart(of: target), plan)),
            persistence: view.persistence)
        if view.drift != 0 { centres[0] = max(0, centres[0] + view.drift) }
        return view.combined(centres: centres, liveliness: now.liveliness)
    }

    /// Never more than so many times what was seen lately.
    func capped(_ quantiles: SIMD8<Float>) -> SIMD8<Float> {
        var top = dayMax[0]
        for day in 1..<8 { top = max(top, dayMax[day]) }
        let limit = SIMD8<Float>(repeating: top * Float(plan.configuration.growthMax))
        return quantiles.replacing(with: limit, where: quantiles .> limit)
    }
}
