/// How much a profile knows.
public enum ProfileState: String, Sendable, Codable, CaseIterable {
    /// Too few samples to say anything.
    case cold
    /// Some leads have been seen to mature, the longest horizon has not.
    case learning
    /// Every horizon has matured over at least a day.
    case ready
    /// Its own past forecasts were worse than those of the last value with empirical increments.
    case degraded
}

/// One quantile of a forecast.
public struct Quantile: Hashable, Sendable {
    /// Level, between 0 and 1.
    public var level: Double
    /// Value, in VMs or launches.
    public var value: Double
    public init(level: Double, value: Double) {
        self.level = level
        self.value = value
    }

    /// The levels of every forecast, ascending.
    public static let levels: [Double] = [0.025, 0.05, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99]
}

/// Forecast of one application for one horizon. Lists are empty until the horizon has matured once.
public struct HorizonForecast: Hashable, Sendable {
    public var horizon: Duration
    /// VMs present at the horizon.
    public var concurrent: [Quantile]
    /// Largest number of VMs present at any moment up to the horizon.
    public var peak: [Quantile]
    /// Launches up to the horizon.
    public var launches: [Quantile]
    /// Share of this horizon's matured past forecasts of `concurrent` that lay inside their own [.1, .9]; nil until known.
    public var coverage80: Double?
    /// Mean pinball loss, in VMs, of the same past forecasts; nil until known.
    public var loss: Double?
    /// The same loss of the baseline (last value with empirical increments); nil until known.
    public var baselineLoss: Double?

    public init(
        horizon: Duration, concurrent: [Quantile] = [], peak: [Quantile] = [], launches: [Quantile] = [],
        coverage80: Double? = nil, loss: Double? = nil, baselineLoss: Double? = nil
    ) {
        self.horizon = horizon
        self.concurrent = concurrent
        self.peak = peak
        self.launches = launches
        self.coverage80 = coverage80
        self.loss = loss
        self.baselineLoss = baselineLoss
    }
}

/// Everything a profile says about one application.
public struct ScalingProfile: Hashable, Sendable {
    public var state: ProfileState
    /// Known samples seen.
    public var samples: Int
    /// VMs present at the last known sample; nil before the first.
    public var current: Int?
    /// By horizon, shortest first.
    public var horizons: [HorizonForecast]
    public init(state: ProfileState, samples: Int, current: Int?, horizons: [HorizonForecast]) {
        self.state = state
        self.samples = samples
        self.current = current
        self.horizons = horizons
    }
}

/// What a consumer asks of a forecast; the built-in one is ``DemandProfile``.
public protocol DemandForecast: Sendable {
    var state: ProfileState { get }

    /// Quantile of the largest number of VMs present at any moment within `lead` from now.
    ///
    /// - Parameter level: between 0 and 1; levels beyond those of ``Quantile/levels`` are served from the same
    ///   empirical distribution.
    /// - Returns: nil when the distribution is not known yet.
    func peakQuantile(_ level: Double, lead: Duration) -> Double?

    /// Calibrated probability that more than `held` VMs will be present at some moment within `horizon` from now.
    ///
    /// The inverse of ``peakQuantile(_:lead:)`` rounded to whole VMs, so that a threshold of `1 - q` and the quantile `q`
    /// decide alike.
    /// - Returns: nil when the distribution is not known yet.
    func exceedance(of held: Int, within horizon: Duration) -> Double?
}
