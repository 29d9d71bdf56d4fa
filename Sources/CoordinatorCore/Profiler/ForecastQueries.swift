import Allocation
import FleetProtocol
import Forecasting
public import NetworkTypes
import SNISpace

/// Read models of profiler and allocator.
extension CoordinatorMachine {
    public func profile(_ reference: ApplicationReference) throws(CoordinatorError) -> ScalingProfileInfo {
        profile(of: try resolve(reference))
    }

    /// By application name.
    public func profiles() -> [ScalingProfileInfo] {
        state.applications.values.sorted { ($0.name, $0.id) < ($1.name, $1.id) }.map { profile(of: $0) }
    }

    public func explanation(of reference: ApplicationReference) throws(CoordinatorError) -> ForecastExplanationInfo {
        let record = try resolve(reference)
        let forecaster = state.series[record.id] ?? ApplicationForecaster(shape: state.forecasting)
        let series = forecaster.explanation
        let interval = state.forecasting.coarseInterval
        let indicators = series.leads.map(\.indicators.count).max() ?? 0
        return ForecastExplanationInfo(
            application: record.id, state: forecaster.state, samples: forecaster.demand.samples,
            rejected: forecaster.rejections + forecaster.vms.coarseRejections, usesBaseline: forecaster.usesBaseline,
            sampleInterval: interval, series: series,
            lastShiftAge: series.lastShift.map { interval * max(0, forecaster.vms.coarseTick - $0) },
            indicators: Array(FleetSample.Load.indicatorNames.prefix(indicators)))
    }

    private func profile(of record: ApplicationRecord) -> ScalingProfileInfo {
        guard let demand = state.series[record.id] else {
            return ScalingProfileInfo(application: record.id, state: .cold, samples: 0, current: 0, horizons: [])
        }
        let profile = demand.profile()
        let owned = live.followed.owned[record.id] ?? state.book.owned(by: record.id)
        let size = blockSize(of: record.id)
        let level = record.policy.priority.quantile
        let horizons = profile.horizons.map { forecast in
            let peak = demand.peakQuantile(level, lead: forecast.horizon) ?? 0
            let blocks = Int((peak / Double(size)).rounded(.up))
            return HorizonForecastInfo(
                horizon: forecast.horizon, concurrent: forecast.concurrent, peak: forecast.peak,
                launches: forecast.launches, rangeSize: max(0, blocks) * size,
                confidence: demand.exceedance(of: owned, within: forecast.horizon) ?? 0,
                coverage80: forecast.coverage80, loss: forecast.loss)
        }
        return ScalingProfileInfo(
            application: record.id, state: profile.state, samples: profile.samples, current: profile.current ?? 0,
            horizons: horizons)
    }

    /// The last decision for each application, by application; an empty reference means all.
    public func decisions(of reference: ApplicationReference = "") throws(CoordinatorError) -> [DecisionInfo] {
        try resolveAll(reference).compactMap { record in
            guard let decision = live.decisions[record.id] else { return nil }
            return DecisionInfo(
                application: record.id, mode: decision.mode, inUse: decision.inUse, cooling: decision.cooling,
                pending: decision.pending, floor: decision.floor, forecast: decision.forecast,
                target: decision.target, owned: decision.owned, confidence: decision.confidence ?? 0,
                threshold: decision.threshold, reason: decision.reason)
        }
    }

    /// What will be given back, soonest first; an empty reference means all.
    public func releaseSchedule(
        of reference: ApplicationReference = "", at now: Instant
    ) throws(CoordinatorError) -> [PlannedReleaseInfo] {
        let age = live.decidedAt.map { now - $0 } ?? .zero
        var planned: [PlannedReleaseInfo] = []
        for record in try resolveAll(reference) {
            for release in live.decisions[record.id]?.releases ?? [] {
                planned.append(
                    PlannedReleaseInfo(
                        application: record.id, range: release.block.range, startsIn: max(.zero, release.after - age),
                        reason: release.reason))
            }
        }
        return planned.sorted { ($0.startsIn, $0.range) < ($1.startsIn, $1.range) }
    }
}
