public import Forecasting
public import NetworkTypes

/// How the forecasts of one application went.
public struct ForecastFigures: Hashable, Sendable {
    /// One lead of it.
    public struct Lead: Hashable, Sendable {
        public var lead: Duration
        /// Nil until known; as in `SeriesExplanation.LeadExplanation`.
        public var coverage80: Double?
        public var loss: Double?
        public var baselineLoss: Double?
    }
    public var application: ApplicationID
    public var name: String
    public var state: ProfileState
    public var current: Int
    public var leads: [Lead]
}

/// How the profiler is doing.
public struct ProfilerFigures: Hashable, Sendable {
    public var states: [ProfileState: Int]
    /// Applications that exist and are not followed.
    public var unfollowed: Int
    /// Samples that were not learnt since the start of the process, by reason.
    public var rejections: [String: Int]
    /// Bytes of all pasts in memory.
    public var historyBytes: Int
    /// Of the applications with most VMs.
    public var applications: [ForecastFigures]
}

extension CoordinatorMachine {
    /// The store was restored from a backup, and hosts have not said yet what they hold.
    public var isRestoring: Bool { state.restoration.isOn }

    /// - Parameter limit: applications that are told of one by one.
    public func profilerFigures(limit: Int) -> ProfilerFigures {
        var figures = ProfilerFigures(states: [:], unfollowed: 0, rejections: [:], historyBytes: 0, applications: [])
        for forecaster in state.series.values {
            figures.states[forecaster.state, default: 0] += 1
            figures.rejections.merge(forecaster.rejectionsByReason, uniquingKeysWith: +)
            if forecaster.vms.coarseRejections > 0 {
                figures.rejections["coarse-absurd-jump", default: 0] += forecaster.vms.coarseRejections
            }
        }
        figures.unfollowed = state.applications.count - state.series.count
        figures.historyBytes = state.histories.values.reduce(0) { $0 + $1.byteCount }
        let largest = state.series.map { (id: $0.key, vms: $0.value.demand.current ?? 0) }
            .sorted { ($1.vms, $0.id) < ($0.vms, $1.id) }
        figures.applications = largest.prefix(limit).compactMap { entry in
            guard let forecaster = state.series[entry.id], let record = state.applications[entry.id] else { return nil }
            let interval = state.forecasting.coarseInterval
            return ForecastFigures(
                application: entry.id, name: record.name, state: forecaster.state, current: entry.vms,
                leads: forecaster.explanation.leads.map {
                    .init(
                        lead: interval * $0.ticks, coverage80: $0.coverage80, loss: $0.loss,
                        baselineLoss: $0.baselineLoss)
                })
        }
        return figures
    }
}
