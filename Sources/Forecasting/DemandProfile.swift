/// The online forecast of one application's demand.
///
/// A sample costs a bounded amount of work and the state a few kilobytes, whatever the history; nothing is ever
/// refitted, nothing is random, so the same samples give the same profile. Unknown samples widen the forecast by their
/// age and are never taken for a scale-in.
public struct DemandProfile: Sendable, DemandForecast {
    /// Samples late by fewer intervals than this are bridged rather than taken as a gap.
    private static let bridgedTicks = 3
    /// A profile whose loss exceeds the baseline's by this factor is degraded.
    private static let degradedRatio = 1.1

    public let configuration: ProfileConfiguration
    /// Known samples seen.
    public private(set) var samples = 0
    private var start: Duration?
    private var firstTick = 0
    private var now = Moment(tick: 0, level: 0, launches: 0)
    /// Intervals since the last known sample.
    private var unknown = 0
    private var season: SeasonalProfile
    private var leads: [LeadTracker]

    public init(configuration: ProfileConfiguration) {
        self.configuration = configuration
        season = SeasonalProfile(ticksPerDay: configuration.ticksPerDay)
        leads = configuration.leads.map { LeadTracker(shape: $0, configuration: configuration) }
    }

    /// VMs present at the last known sample; nil before the first.
    public var current: Int? { samples > 0 ? Int(now.level) : nil }

    // MARK: Learning

    /// One known sample.
    ///
    /// - Parameter time: end of its interval, since an arbitrary start that all calls share; several samples of one
    ///   interval are merged, and time that runs backwards counts as the same interval.
    public mutating func observe(_ sample: DemandSample, at time: Duration) {
        let tick = max(now.tick, tick(at: time))
        let step = tick - now.tick
        let isFirst = samples == 0
        if isFirst { firstTick = tick }
        let missing = isFirst || (unknown == 0 && step <= Self.bridgedTicks) ? 0 : max(0, step - 1)
        unknown = 0
        samples += 1
        now.level = Double(sample.concurrent)
        now.tick = tick
        now.launches &+= UInt32(truncatingIfNeeded: sample.launches)
        season.add(
            level: now.level, launches: sample.launches, tick: tick, isNewTick: isFirst || step > 0)
        for index in leads.indices {
            leads[index].extend(peak: Double(sample.peak), unknown: missing)
            let segment = tick / leads[index].shape.stride
            if segment != leads[index].origins.segment {
                leads[index].turn(segment: segment, now: now, season: season)
            }
        }
    }

    /// The sample that ends at `time` is unknown, for instance because a host did not report.
    public mutating func gap(at time: Duration) {
        guard samples > 0 else { return }
        unknown = max(unknown, tick(at: time) - now.tick)
    }

    private mutating func tick(at time: Duration) -> Int {
        let origin = start ?? time
        start = origin
        return Int(((time - origin) / configuration.sampleInterval).rounded())
    }

    // MARK: Persisting

    /// One walk over the fields serves both directions.
    mutating func code(_ coder: inout some StateCoder) {
        var isStarted = start != nil
        var (seconds, attoseconds) = start?.components ?? (0, 0)
        coder.code(&isStarted)
        coder.code(&seconds)
        coder.code(&attoseconds)
        start = isStarted ? Duration(secondsComponent: seconds, attosecondsComponent: attoseconds) : nil
        for path in [\Self.samples, \.firstTick, \.now.tick, \.unknown] { coder.code(&self[keyPath: path]) }
        coder.code(&now.level)
        coder.code(&now.launches)
        season.code(&coder)
        for index in leads.indices { leads[index].code(&coder) }
    }

    // MARK: State

    public var state: ProfileState {
        guard samples >= ProfileConfiguration.coldSamples, let first = leads.first, first.matured >= 1,
            let last = leads.last
        else { return .cold }
        if isDegraded { return .degraded }
        let age = now.tick - firstTick
        return age >= last.shape.ticks + configuration.ticksPerDay && last.matured >= 1 ? .ready : .learning
    }

    /// Geometric mean over the leads of own loss by baseline's loss.
    private var isDegraded: Bool {
        var sum = 0.0
        var count = 0
        for lead in leads {
            guard let own = lead.score.loss, let base = lead.score.baselineLoss else { continue }
            sum += Elementary.log2((own + 1e-3) / (base + 1e-3))
            count += 1
        }
        return count > 0 && sum / Double(count) > Elementary.log2(Self.degradedRatio)
    }

    // MARK: Forecasting

    public func peakQuantile(_ level: Double, lead: Duration) -> Double? {
        quantile(.peak, level, views: views(), lead: lead)
    }

    /// Quantiles of the running peak, by lead, then by level, up to the first lead that is not known.
    func peaks(_ levels: [Double], leads: [Duration]) -> [[Double]] {
        let views = views()
        var rows: [[Double]] = []
        for lead in leads {
            var row: [Double] = []
            for level in levels {
                guard let value = quantile(.peak, level, views: views, lead: lead) else { return rows }
                row.append(value)
            }
            rows.append(row)
        }
        return rows
    }

    public func exceedance(of held: Int, within horizon: Duration) -> Double? {
        guard samples > 0 else { return nil }
        let views = views()
        guard let top = quantile(.peak, 1, views: views, lead: horizon) else { return nil }
        if Double(held) < now.level { return 1 }
        // VMs are whole: "more than held" begins half way to the next number of the continuous distribution.
        let held = Double(held) + 0.5
        if held >= top { return 0 }
        // Bisection of the quantile function, which rises with its level: 2^-16 is finer than any calibration.
        var (low, high) = (0.0, 1.0)
        for _ in 0..<16 {
            let middle = (low + high) / 2
            guard let value = quantile(.peak, middle, views: views, lead: horizon) else { return nil }
            if value > held { high = middle } else { low = middle }
        }
        return 1 - low
    }

    /// Forecast for one horizon; its lists are empty until that lead has matured.
    public func forecast(horizon: Duration) -> HorizonForecast {
        let views = views()
        func list(_ quantity: Quantity) -> [Quantile] {
            var floor = 0.0
            var result: [Quantile] = []
            for level in Quantile.levels {
                guard let value = quantile(quantity, level, views: views, lead: horizon) else { return [] }
                // The weights are the same at every level, so crossing can only be rounding; no consumer should see it.
                floor = max(floor, value)
                result.append(Quantile(level: level, value: floor))
            }
            return result
        }
        let ticks = horizon / configuration.sampleInterval
        let score = leads.min { abs(Double($0.shape.ticks) - ticks) < abs(Double($1.shape.ticks) - ticks) }?.score
        return HorizonForecast(
            horizon: horizon, concurrent: list(.concurrent), peak: list(.peak), launches: list(.launches),
            coverage80: score?.coverage80, loss: score?.loss, baselineLoss: score?.baselineLoss)
    }

    /// Everything, for the configured horizons.
    public func profile() -> ScalingProfile {
        ScalingProfile(
            state: state, samples: samples, current: current,
            horizons: configuration.horizons.map { forecast(horizon: $0) })
    }

    private typealias View = (lead: LeadTracker, centres: (last: Centres, season: Centres?))

    private func views() -> [View] {
        samples == 0 ? [] : leads.map { ($0, $0.centres(now, season: season)) }
    }

    /// Between followed leads: linear in the logarithm of the lead. Beyond the longest: the longest. Peak and launches
    /// never fall with the lead. The age of the last known sample is added to the lead.
    private func quantile(_ quantity: Quantity, _ level: Double, views: [View], lead: Duration) -> Double? {
        let ticks = max(1, lead / configuration.sampleInterval + Double(unknown))
        var below: (ticks: Double, value: Double)?
        for view in views {
            guard let value = view.lead.quantile(quantity, level, now: now, centres: view.centres) else { return nil }
            let here = Double(view.lead.shape.ticks)
            let floor = quantity == .concurrent ? 0 : below?.value ?? 0
            if here >= ticks {
                guard let below else { return value }
                let share = Elementary.log2(ticks / below.ticks) / Elementary.log2(here / below.ticks)
                return below.value + share * (max(value, floor) - below.value)
            }
            below = (here, max(value, floor))
        }
        return below?.value
    }
}
