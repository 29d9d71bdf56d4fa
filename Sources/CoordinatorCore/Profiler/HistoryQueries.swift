import Allocation
public import Forecasting
public import NetworkTypes

/// The past of one application, at one resolution.
public struct HistoryInfo: Hashable, Sendable {
    public var application: ApplicationID
    public var resolution: HistoryResolution
    /// Time of one value.
    public var step: Duration
    /// From the end of the newest value to the newest sample of the fleet.
    public var age: Duration
    /// By measure; oldest first, nil where unknown, all of one length.
    public var values: [HistoryMeasure: [UInt64?]]
    /// Bytes that the application's past takes, at all resolutions.
    public var byteCount: Int
}

/// What somebody needs to learn applications' past from another source.
public struct BackfillPlan: Sendable {
    public var shape: ForecastShape
    public var interval: Duration
    /// The newest slot.
    public var slot: Int
    /// Of which nobody told yet, by id, with their names.
    public var applications: [ApplicationID: String]
    /// How the rule of marginal value learns, by id.
    public var teaching: [ApplicationID: MarginalTeaching]
    public init(
        shape: ForecastShape, interval: Duration, slot: Int, applications: [ApplicationID: String],
        teaching: [ApplicationID: MarginalTeaching] = [:]
    ) {
        self.shape = shape
        self.interval = interval
        self.slot = slot
        self.applications = applications
        self.teaching = teaching
    }
}

extension CoordinatorMachine {
    /// - Parameter count: values at most.
    public func history(
        of reference: ApplicationReference, _ resolution: HistoryResolution, last count: Int = .max
    ) throws(CoordinatorError) -> HistoryInfo {
        let record = try resolve(reference)
        let history = state.histories[record.id] ?? ApplicationHistory()
        var values: [HistoryMeasure: [UInt64?]] = [:]
        for measure in HistoryMeasure.allCases { values[measure] = history.values(measure, resolution, last: count) }
        return HistoryInfo(
            application: record.id, resolution: resolution, step: configuration.aggregateInterval * resolution.slots,
            age: configuration.aggregateInterval * max(0, state.slot + 1 - history.end(resolution)), values: values,
            byteCount: history.byteCount)
    }

    public func backfillPlan() -> BackfillPlan {
        let applications = state.applications.filter { mayBackfill($0.key) && !$0.value.deleting }
        return BackfillPlan(
            shape: state.forecasting, interval: configuration.aggregateInterval, slot: state.slot,
            applications: applications.mapValues(\.name),
            teaching: applications.keys.reduce(into: [:]) { $0[$1] = state.teaching(of: $1) })
    }

    public var feed: FeedCounts { live.feed }
    /// Applications that are followed.
    public var followed: Int { state.series.count }
}

/// What a past becomes when it is told in order.
public struct PastBuilder: Sendable {
    public private(set) var forecaster: ApplicationForecaster
    public private(set) var history = ApplicationHistory()
    /// Last slot that was told; nil before the first.
    public private(set) var slot: Int?

    private let teaching: MarginalTeaching?
    private var marginal: MarginalProfile?

    /// - Parameter teaching: see ``BackfillPlan/teaching``; nil leaves out what the rule of marginal value learns.
    public init(shape: ForecastShape, teaching: MarginalTeaching? = nil) {
        forecaster = ApplicationForecaster(shape: shape)
        self.teaching = teaching
    }

    /// One slot; those in between are unknown. Slots that do not ascend are left out.
    ///
    /// - Returns: whether it was taken.
    @discardableResult
    public mutating func add(_ sample: ExternalSample, at slot: Int) -> Bool {
        guard slot >= 0, slot > self.slot ?? -1 else { return false }
        let before = forecaster.demand.current ?? sample.vms
        let launches = max(sample.launches ?? 0, sample.vms - before)
        let demand = FleetSample.Demand(
            vms: sample.vms, peak: max(sample.vms, before), launches: launches,
            stops: max(0, before + launches - sample.vms), load: sample.usage.load, usage: sample.usage.known)
        if let last = self.slot, slot > last + 1 { forecaster.add(nil, slot: slot - 1) }
        forecaster.add(demand, slot: slot)
        history.record(demand.historyValues, at: slot)
        teach(demand, at: slot)
        self.slot = slot
        return true
    }

    private mutating func teach(_ demand: FleetSample.Demand, at slot: Int) {
        guard let teaching else { return }
        var profile =
            marginal ?? MarginalProfile(after: slot - 1, phase: teaching.phase, clock: teaching.clock)
        marginal = nil
        profile.observe(demand.sample, at: slot, clock: teaching.clock, policy: teaching.policy)
        marginal = profile
    }

    /// Nil when nothing was told.
    public var past: LearntPast? {
        slot.map { slot in
            LearntPast(
                forecaster: forecaster.encoded(), history: history.encoded(), slot: slot,
                marginal: teaching.flatMap { marginal?.encoded(clock: $0.clock) })
        }
    }
}
