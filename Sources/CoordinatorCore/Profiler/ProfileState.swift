import Forecasting
import NetworkTypes

/// How the profiler's feed went, since the start of the process.
public struct FeedCounts: Hashable, Sendable {
    /// Aggregates of hosts that were counted.
    public var taken = 0
    /// Told before.
    public var duplicates = 0
    /// Several intervals in one, after an absence.
    public var folded = 0
    /// Of a slot that was folded without them.
    public var late = 0
    /// Entries that named no application, or one twice.
    public var strangers = 0
    /// Samples of applications that stayed unknown.
    public var unknown = 0
    /// Samples that another source told.
    public var externalTaken = 0
    /// Told by another source and by the agents, whose word counts.
    public var externalOverruled = 0
    /// Not taken where the agents were silent: the two had not agreed before.
    public var externalDisagreeing = 0
    /// Profiles given up because there were too many.
    public var evicted = 0
    /// Applications that are not followed because there is no room.
    public var refused = 0
}

/// Parts of a snapshot that nobody reads in this process.
struct DormantProfiles: Sendable {
    var activity: [CoordinatorSnapshot.Activity] = []
    var attachments: [CoordinatorSnapshot.Attachment] = []
}

/// What the profiler keeps, as events change it.
extension FleetState {
    mutating func beginProfile(of id: ApplicationID) {
        guard isProfiling else {
            // Followed from then on when there is a profiler again.
            dormant.activity.append(.init(application: id, lastActive: slot, agentsSpoke: false, fed: false))
            return
        }
        series[id] = ApplicationForecaster(shape: forecasting)
        histories[id] = ApplicationHistory()
        marginals[id] = newMarginal(of: id, before: slot + 1)
        lastActive[id] = slot
    }

    mutating func learn(_ sample: FleetSample, slot: Int) {
        let id = sample.application
        guard isProfiling, applications[id] != nil else { return }
        let isActive = sample.demand.map { $0.vms > 0 || $0.launches > 0 } ?? false
        if isActive {
            lastActive[id] = slot
            if sample.external == true { fed.insert(id) } else { agentsSpoke.insert(id) }
            // Given up while it was idle, and back.
            if series[id] == nil, series.count < profilesMax {
                series[id] = ApplicationForecaster(shape: forecasting)
                histories[id] = ApplicationHistory()
                marginals[id] = newMarginal(of: id, before: slot)
            }
        }
        guard series[id] != nil else { return }
        limitForecast(of: id)
        series[id]?.add(sample.demand, slot: slot)
        learnMarginal(of: id, sample.demand, slot: slot)
        if let demand = sample.demand {
            histories[id]?.record(demand.historyValues, at: slot)
        } else {
            histories[id]?.skip(to: slot)
        }
    }

    /// No more is forecast than the application may have.
    mutating func limitForecast(of id: ApplicationID) {
        guard let policy = applications[id]?.policy else { return }
        series[id]?.cap = policy.cap == 0 ? nil : policy.cap
    }

    mutating func forgetProfile(of id: ApplicationID) {
        dormant.activity.removeAll { $0.application == id }
        dormant.attachments.removeAll { $0.application == id }
        series[id] = nil
        histories[id] = nil
        marginals[id] = nil
        lastActive[id] = nil
        agentsSpoke.remove(id)
        fed.remove(id)
    }

    /// Whether a past can be taken as it is.
    func restorable(_ past: LearntPast, of id: ApplicationID) -> Bool {
        (past.marginal.map { isRestorable($0, of: id) } ?? true)
            && (try? ApplicationForecaster(encoded: past.forecaster, shape: forecasting)) != nil
            && ApplicationHistory(encoded: past.history) != nil
    }

    mutating func applyPast(_ id: ApplicationID, _ past: LearntPast) {
        guard series[id] != nil, let history = ApplicationHistory(encoded: past.history),
            let forecaster = try? ApplicationForecaster(encoded: past.forecaster, shape: forecasting)
        else { return }
        series[id] = forecaster
        limitForecast(of: id)
        histories[id] = history
        marginals[id] = newMarginal(of: id, before: past.slot + 1)
        if let marginal = past.marginal { restoreMarginal(of: id, marginal) }
        lastActive[id] = past.slot
        fed.insert(id)
    }

    var activities: [CoordinatorSnapshot.Activity] {
        isProfiling ? present : dormant.activity
    }

    private var present: [CoordinatorSnapshot.Activity] {
        lastActive.sorted { $0.key < $1.key }.map {
            .init(
                application: $0.key, lastActive: $0.value, agentsSpoke: agentsSpoke.contains($0.key),
                fed: fed.contains($0.key))
        }
    }

    var attachments: [CoordinatorSnapshot.Attachment] {
        isProfiling ? learnt : dormant.attachments
    }

    private var learnt: [CoordinatorSnapshot.Attachment] {
        let prior = CoordinatorSnapshot.Attachment(
            application: Self.everyApplication, kind: .prior, bytes: forecasting.prior.encoded())
        return [prior]
            + series.sorted { $0.key < $1.key }.flatMap { id, forecaster in
                [CoordinatorSnapshot.Attachment(application: id, kind: .forecaster, bytes: forecaster.encoded())]
                    + (histories[id].map { [.init(application: id, kind: .history, bytes: $0.encoded())] } ?? [])
                    + marginalAttachment(of: id)
            }
    }

    mutating func restoreProfiles(_ snapshot: CoordinatorSnapshot) {
        guard isProfiling else {
            dormant = DormantProfiles(
                activity: snapshot.activity
                    ?? applications.keys.sorted().map {
                        .init(application: $0, lastActive: slot, agentsSpoke: false, fed: false)
                    }, attachments: older(snapshot) + snapshot.attachments)
            return
        }
        for entry in snapshot.activity ?? [] where applications[entry.application] != nil {
            lastActive[entry.application] = entry.lastActive
            if entry.agentsSpoke { agentsSpoke.insert(entry.application) }
            if entry.fed { fed.insert(entry.application) }
        }
        // An image of before there were bounds: every application was followed, and told by agents.
        if snapshot.activity == nil {
            for id in applications.keys { lastActive[id] = slot }
        }
        restorePrior(snapshot)
        for id in lastActive.keys {
            series[id] = ApplicationForecaster(shape: forecasting)
            histories[id] = ApplicationHistory()
            marginals[id] = newMarginal(of: id, before: slot + 1)
        }
        for attachment in older(snapshot) + snapshot.attachments where series[attachment.application] != nil {
            restore(attachment)
        }
        for id in series.keys { limitForecast(of: id) }
        guard snapshot.activity == nil else { return }
        for (id, forecaster) in series where forecaster.demand.current ?? 0 > 0 { agentsSpoke.insert(id) }
    }

    /// Of images of version 2.
    private func older(_ snapshot: CoordinatorSnapshot) -> [CoordinatorSnapshot.Attachment] {
        (snapshot.learnt ?? []).map {
            .init(application: $0.application, kind: .forecaster, bytes: Hexadecimal.bytes($0.forecaster))
        }
    }

    /// Stands for all of them.
    private static let everyApplication = ApplicationID(UUID128(high: 0, low: 0))
    /// Of which a fleet is taught at most: they are taken evenly.
    private static let teachersMax = 512

    /// One of another interval is left: so is what was learnt with it.
    private mutating func restorePrior(_ snapshot: CoordinatorSnapshot) {
        guard let stored = snapshot.attachments.first(where: { $0.kind == .prior }),
            let prior = try? FleetPrior(encoded: stored.bytes, plan: forecasting.plan)
        else { return }
        forecasting = ForecastShape(forecasting, prior: prior)
    }

    mutating func renewPrior() {
        let ids = series.keys.sorted()
        let stride = (ids.count + Self.teachersMax - 1) / Self.teachersMax
        let teachers = ids.indices.filter { stride < 2 || $0 % stride == 0 }.compactMap { series[ids[$0]] }
        guard let taught = ForecastShape(forecasting, fleet: teachers) else { return }
        forecasting = taught
        for id in ids { series[id]?.adopt(taught) }
    }

    private mutating func restore(_ attachment: CoordinatorSnapshot.Attachment) {
        switch attachment.kind {
        case .forecaster:
            do throws(SeriesStateError) {
                series[attachment.application] = try ApplicationForecaster(
                    encoded: attachment.bytes, shape: forecasting)
            } catch {
                relearning.append(attachment.application)
            }
        case .history:
            // Its resolutions count intervals, so the past of another interval shows a wrong time, and is left.
            guard let history = ApplicationHistory(encoded: attachment.bytes) else { return }
            histories[attachment.application] = history
        case .marginal: restoreMarginal(of: attachment.application, attachment.bytes)
        case .prior: break
        }
    }
}

/// What young applications borrow from the fleet.
extension CoordinatorMachine {
    /// Once a day, when `slot` is the first of one.
    mutating func renewPrior(since before: Int) {
        let day = max(1, Int((configuration.seasonLength / configuration.aggregateInterval).rounded()))
        guard configuration.profiler != .elsewhere, before > 0, state.slot / day != before / day else { return }
        commit(.priorRenewed)
    }
}

/// The bound on what is followed.
extension CoordinatorMachine {
    /// Gives up the longest idle applications, some at once so that the search is rare. What has VMs is never given up.
    mutating func boundProfiles() {
        let limit = configuration.profilesMax
        guard state.series.count > limit else { return }
        let idle = state.lastActive.filter { $0.value < state.slot }
            .sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        let surplus = state.series.count - limit
        var victims = idle.prefix(surplus + limit / 64).map(\.key)
        // Nobody idle: the last to come is not followed.
        if victims.count < surplus {
            let busy = state.series.filter { !victims.contains($0.key) }
                .sorted { ($0.value.demand.samples, $0.key) < ($1.value.demand.samples, $1.key) }
            live.feed.refused += surplus - victims.count
            victims += busy.prefix(surplus - victims.count).map(\.key)
        }
        guard !victims.isEmpty else { return }
        commit(.profilesEvicted(victims))
        live.feed.evicted += victims.count
        for id in victims { live.external[id] = nil }
        notice(
            .warning, "profiles-evicted",
            "more than \(limit) applications are followed: what was learnt of \(victims.count) is given up, the longest "
                + "idle first; raise profiles-max, or delete applications that are not used")
    }
}
