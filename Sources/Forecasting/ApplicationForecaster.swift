/// What every application of an installation is forecast by; computed once.
public final class ForecastShape: Sendable {
    public let profile: ProfileConfiguration
    /// Of the coarse series.
    public let plan: SeriesPlan
    /// What young series borrow; that of no fleet, or learnt from one.
    public let prior: FleetPrior
    /// Samples per coarse one: 30 for ten seconds and a day of 24 hours.
    public let ratio: Int
    /// Time between two coarse samples.
    public let coarseInterval: Duration

    /// - Parameter calendar: where the clock is known and ticks count from 1970.
    /// - Throws: ``SeriesConfigurationError`` when a day is too long for the interval.
    public init(
        _ profile: ProfileConfiguration, calendar: SeriesCalendar? = nil
    ) throws(SeriesConfigurationError) {
        self.profile = profile
        let ratio = max(2, Int((Double(profile.ticksPerDay) / 288).rounded()))
        let perDay = Int((Double(profile.ticksPerDay) / Double(ratio)).rounded())
        // A day of a few samples has no shape worth learning; the least that a series takes stands for it.
        plan = SeriesPlan(try SeriesConfiguration(samplesPerDay: max(8, perDay)), calendar: calendar)
        prior = FleetPrior(plan: plan)
        self.ratio = ratio
        coarseInterval = profile.sampleInterval * ratio
    }

    /// The same with another prior.
    public init(_ shape: ForecastShape, prior: FleetPrior) {
        profile = shape.profile
        plan = shape.plan
        ratio = shape.ratio
        coarseInterval = shape.coarseInterval
        self.prior = prior
    }

    /// The same with a prior that a fleet teaches; nil while too few of it know anything.
    public convenience init?(_ shape: ForecastShape, fleet: [ApplicationForecaster]) {
        let members = fleet.map(\.vms.coarse)
        guard members.count(where: FleetPrior.votes) >= FleetPrior.votersMin else { return nil }
        self.init(shape, prior: FleetPrior(plan: shape.plan, fleet: members))
    }
}

/// Everything that the profiler keeps of one application, and what it says of it.
///
/// Two models over the same samples. The number of VMs at a moment ahead is that of a ``SeriesForecaster`` (by day and
/// week, with leading indicators), or of the baseline where that has been better over the last days. What a decision
/// needs (the running peak within a lead, launches up to it) is that of a ``DemandProfile``, which counts how windows of
/// exactly that length went; a peak is never forecast below the VMs at its end.
public struct ApplicationForecaster: Sendable {
    public private(set) var shape: ForecastShape
    public private(set) var demand: DemandProfile
    public private(set) var vms: FineSeries
    /// Samples that were not learnt since the start of the process.
    public private(set) var rejections = 0
    /// VMs that the application may have at most; nothing beyond is forecast, but what runs already is never denied. Not part
    /// of the persisted state: whoever knows the quota sets it.
    public var cap: Int?
    /// The same by ``SampleRejection/reason``, those of coarse samples apart.
    public private(set) var rejectionsByReason: [String: Int] = [:]

    public init(shape: ForecastShape) {
        self.shape = shape
        demand = DemandProfile(configuration: shape.profile)
        vms = FineSeries(plan: shape.plan, prior: shape.prior, ratio: shape.ratio)
    }

    /// Goes on with another prior; all else of both shapes is the same.
    public mutating func adopt(_ shape: ForecastShape) {
        self.shape = shape
        vms.adopt(shape.prior)
    }

    // MARK: Learning

    /// - Parameters:
    ///   - tick: number of the sample interval, counted by who owns the clock: what was jumped over is unknown.
    ///   - indicators: up to five figures of the same interval that may foretell VMs, always in the same order; empty
    ///     where they are unknown.
    public mutating func observe(_ sample: DemandSample, at tick: Int, indicators: [Double] = []) {
        do throws(SampleRejection) {
            // Peaks and launches come from the same source: one word about all three.
            let most = max(sample.peak, sample.launches, sample.stops)
            guard Double(most) <= max(vms.usualMax, 1000 * Double(sample.concurrent)) else {
                throw SampleRejection.absurdJump(Double(most))
            }
            vms.skip(to: tick - 1)
            try vms.observe(Double(sample.concurrent), at: tick, indicators: indicators)
            demand.observe(sample, at: shape.profile.sampleInterval * tick)
        } catch {
            rejections += 1
            rejectionsByReason[error.reason, default: 0] += 1
        }
    }

    /// The sample is unknown, for instance because a host did not report.
    public mutating func gap(at tick: Int) {
        demand.gap(at: shape.profile.sampleInterval * tick)
        vms.skip(to: tick)
    }

    // MARK: Forecasting

    /// Everything, for the configured horizons.
    public func profile() -> ScalingProfile {
        ScalingProfile(
            state: state, samples: demand.samples, current: demand.current,
            horizons: shape.profile.horizons.map { forecast(horizon: $0) })
    }

    /// Forecast for one horizon.
    public func forecast(horizon: Duration) -> HorizonForecast {
        var result = demand.forecast(horizon: horizon)
        bound(&result)
        guard let view = moment(horizon), let lead = lead(nearest: horizon) else { return result }
        let floors = zip(Quantile.levels.indices, Quantile.levels).map {
            Quantile(level: $1, value: Double(view[$0]))
        }
        result.concurrent = floors
        if !result.peak.isEmpty {
            for index in floors.indices {
                result.peak[index].value = max(result.peak[index].value, floors[index].value)
            }
        }
        bound(&result)
        (result.coverage80, result.loss, result.baselineLoss) = (lead.coverage80, lead.loss, lead.baselineLoss)
        return result
    }

    /// What may be reached at most: a lowered cap stops no VM.
    private var limit: Double { cap.map { Double(max($0, demand.current ?? 0)) } ?? .infinity }

    private func bound(_ forecast: inout HorizonForecast) {
        let limit = limit
        for index in forecast.concurrent.indices {
            forecast.concurrent[index].value = min(forecast.concurrent[index].value, limit)
        }
        for index in forecast.peak.indices { forecast.peak[index].value = min(forecast.peak[index].value, limit) }
    }

    /// The baseline is given for moments ahead: it has been better over the last days.
    public var usesBaseline: Bool { vms.coarse.isDegraded }

    /// Why VMs are forecast as they are.
    public var explanation: SeriesExplanation { vms.coarse.explanation }

    /// VMs at one moment ahead, at ``Quantile/levels``; nil below one coarse sample, and while that knows nothing.
    private func moment(_ ahead: Duration) -> SIMD8<Float>? {
        guard vms.coarse.state != .cold else { return nil }
        let ticks = Int((ahead / shape.coarseInterval).rounded())
        guard ticks >= 1 else { return nil }
        return vms.coarse.givenQuantiles(ahead: ticks)
    }

    private func lead(nearest horizon: Duration) -> (coverage80: Double?, loss: Double?, baselineLoss: Double?)? {
        let ticks = horizon / shape.coarseInterval
        let leads = vms.coarse.plan.leads
        let nearest = leads.indices.min { abs(Double(leads[$0].ticks) - ticks) < abs(Double(leads[$1].ticks) - ticks) }
        return nearest.map {
            let book = vms.coarse.leads[$0].score
            return (book.mean(book.inside), book.mean(book.own), book.mean(book.base))
        }
    }
}

extension ApplicationForecaster: DemandForecast {
    public var state: ProfileState {
        demand.state != .cold && usesBaseline ? .degraded : demand.state
    }

    public func peakQuantile(_ level: Double, lead: Duration) -> Double? {
        demand.peakQuantile(level, lead: lead).flatMap { bounded([$0], [level], lead: lead).first }
    }

    /// Peaks at levels: no lower than the VMs at their end, no higher than the cap.
    func bounded(_ peaks: [Double], _ levels: [Double], lead: Duration) -> [Double] {
        let end = moment(lead)
        return zip(peaks, levels).map { peak, level in
            min(limit, max(peak, end.map { Self.value($0, at: level) } ?? 0))
        }
    }

    public func exceedance(of held: Int, within horizon: Duration) -> Double? {
        guard let probability = demand.exceedance(of: held, within: horizon) else { return nil }
        guard Double(held) < limit else { return 0 }
        // Whole VMs, as in ``DemandProfile``.
        return max(probability, moment(horizon).map { Self.exceedance(of: Double(held) + 0.5, $0) } ?? 0)
    }

    /// Between the levels linear; beyond them the outermost.
    private static func value(_ quantiles: SIMD8<Float>, at level: Double) -> Double {
        let levels = Quantile.levels
        guard let upper = levels.firstIndex(where: { $0 >= level }) else { return Double(quantiles[7]) }
        guard upper > 0 else { return Double(quantiles[0]) }
        let share = (level - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
        return Double(quantiles[upper - 1]) + share * Double(quantiles[upper] - quantiles[upper - 1])
    }

    /// The inverse: the probability that the value exceeds `held`.
    private static func exceedance(of held: Double, _ quantiles: SIMD8<Float>) -> Double {
        let levels = Quantile.levels
        guard let upper = (0..<8).first(where: { Double(quantiles[$0]) > held }) else { return 0 }
        guard upper > 0 else { return 1 }
        let (low, high) = (Double(quantiles[upper - 1]), Double(quantiles[upper]))
        return 1 - (levels[upper - 1] + (held - low) / (high - low) * (levels[upper] - levels[upper - 1]))
    }
}

/// State as bytes: what is restored forecasts the same to the bit.
extension ApplicationForecaster {
    public func encoded() -> [UInt8] {
        var copy = demand
        var writer = StateWriter()
        var length = 0
        let series = vms.encoded()
        length = series.count
        writer.code(&length)
        copy.code(&writer)
        writer.finish()
        return writer.bytes + series
    }

    /// - Throws: ``SeriesStateError`` for bytes of another version, of another shape, or damaged.
    public init(encoded bytes: [UInt8], shape: ForecastShape) throws(SeriesStateError) {
        self.init(shape: shape)
        guard bytes.count >= 16 else { throw .length(bytes.count) }
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        guard length >= 0, length < bytes.count else { throw .length(bytes.count) }
        var reader = StateReader(bytes: Array(bytes.dropLast(length)))
        guard reader.isIntact else { throw .corrupt }
        var again = 0
        reader.code(&again)
        demand.code(&reader)
        guard reader.isAtEnd else { throw .length(bytes.count) }
        vms = try FineSeries(
            encoded: Array(bytes.suffix(length)), plan: shape.plan, prior: shape.prior, ratio: shape.ratio)
    }
}
