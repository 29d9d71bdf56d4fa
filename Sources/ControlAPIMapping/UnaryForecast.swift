public import ControlAPI
public import CoordinatorCore
import FleetMapping
public import Forecasting
import NetworkTypes
import SwiftProtobuf

extension Outrider_V1_ProfileState {
    public init(_ state: Forecasting.ProfileState) {
        switch state {
        case .cold: self = .cold
        case .learning: self = .learning
        case .ready: self = .ready
        case .degraded: self = .degraded
        }
    }
}

extension Outrider_V1_HorizonForecast {
    /// What a reader takes for "not yet known" where the field's domain is not negative.
    static let unknown = -1.0

    init(_ info: HorizonForecastInfo) {
        self.init()
        horizonMs = milliseconds(info.horizon)
        concurrent = info.concurrent.map(Outrider_V1_Quantile.init)
        peak = info.peak.map(Outrider_V1_Quantile.init)
        launches = info.launches.map(Outrider_V1_Quantile.init)
        rangeSize = UInt32(clamping: info.rangeSize)
        confidence = info.confidence
        coverage80 = info.coverage80 ?? Self.unknown
        loss = info.loss ?? Self.unknown
    }
}

extension Outrider_V1_Quantile {
    init(_ quantile: Quantile) {
        self.init()
        level = quantile.level
        value = quantile.value
    }
}

extension Outrider_V1_ScalingProfile {
    public init(_ info: ScalingProfileInfo) {
        self.init()
        application = info.application.description
        state = Outrider_V1_ProfileState(info.state)
        samples = UInt64(clamping: info.samples)
        current = UInt32(clamping: info.current)
        horizons = info.horizons.map(Outrider_V1_HorizonForecast.init)
    }
}

extension Outrider_V1_Decision {
    public init(_ info: DecisionInfo) {
        self.init()
        application = info.application.description
        mode = Outrider_V1_PredictionMode(info.mode)
        inUse = UInt32(clamping: info.inUse)
        cooling = UInt32(clamping: info.cooling)
        pending = UInt32(clamping: info.pending)
        floor = UInt32(clamping: info.floor)
        forecast = info.forecast ?? Outrider_V1_HorizonForecast.unknown
        target = UInt32(clamping: info.target)
        owned = UInt32(clamping: info.owned)
        confidence = info.confidence
        threshold = info.threshold
        reason = info.reason
    }
}

extension Outrider_V1_ScheduledRelease {
    public init(_ info: PlannedReleaseInfo) {
        self.init()
        application = info.application.description
        range = Outrider_V1_Range(info.range)
        inMs = milliseconds(info.startsIn)
        reason = info.reason
    }
}

extension Outrider_V1_PlacementHintsResponse {
    public init(_ info: PlacementInfo) {
        self.init()
        hosts = info.hosts.map { hint in
            .with {
                $0.host = hint.host.description
                $0.staged = UInt32(clamping: hint.staged)
                $0.leased = UInt32(clamping: hint.leased)
                $0.bound = UInt32(clamping: hint.bound)
                $0.place = UInt32(clamping: hint.place)
            }
        }
        reserved = UInt32(clamping: info.reserved)
        unplaced = UInt32(clamping: info.unplaced)
    }
}
