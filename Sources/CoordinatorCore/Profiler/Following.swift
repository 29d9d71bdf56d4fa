public import Forecasting
public import NetworkTypes
import SNISpace

/// What a profiler knows of the coordinator that it follows, beyond what it learnt.
struct Followed: Sendable {
    /// By application; from there because the book is there.
    var owned: [ApplicationID: Int] = [:]
    var groups: [TalkingGroups] = []
    /// When the coordinator spoke last.
    var heard: Instant?
    /// When samples came last, or the first word did.
    var sampled: Instant?
    /// The last interval, as the coordinator counts.
    var slot: Int?
    /// From its count to the one here: both differ once samples of another source went on without it.
    var offset = 0
}

/// A profiler in a process of its own: the applications and samples of a coordinator become its own.
extension CoordinatorMachine {
    /// - Throws: `invalid` for a process that rules a fleet itself, for samples of another interval, and for those of another
    ///   installation than what was learnt so far: nothing of that may go because of a wrong address.
    mutating func follow(_ batch: SampleBatch) throws(CoordinatorError) -> Reply {
        guard configuration.profiler == .alone else {
            throw .invalid(field: "services", why: "this process follows nobody: it is no profiler alone")
        }
        guard batch.interval == configuration.aggregateInterval else {
            throw .invalid(
                field: "aggregate-interval",
                why: "is \(configuration.aggregateInterval) here and \(batch.interval) at the coordinator")
        }
        guard state.follows == nil || state.follows == batch.installation else {
            throw .invalid(
                field: "coordinator",
                why: "is of another installation than the one that was learnt here; correct the address, or give the "
                    + "profiler another state-directory")
        }
        if state.follows == nil { commit(.followed(installation: batch.installation)) }
        if batch.isWhole {
            // What comes follows this; below the last one a backup was restored there.
            live.followed.slot = min(live.followed.slot ?? batch.slot, batch.slot)
            let kept = Set(batch.applications.map(\.id))
            for id in state.applications.keys.sorted() where !kept.contains(id) { drop(id) }
        }
        for id in batch.removed { drop(id) }
        for application in batch.applications { follow(application) }
        if let groups = batch.groups { live.followed.groups = groups }
        // The first word of all says how intervals are counted.
        if state.slot == 0, batch.slot > 0 { commit(.sampled(slot: batch.slot - (batch.samples == nil ? 0 : 1), [])) }
        if let samples = batch.samples { learn(samples, of: batch.slot) }
        live.followed.heard = now
        if batch.samples != nil || live.followed.sampled == nil { live.followed.sampled = now }
        boundProfiles()
        return .followed
    }

    private mutating func drop(_ id: ApplicationID) {
        guard state.applications[id] != nil else { return }
        live.followed.owned[id] = nil
        live.external[id] = nil
        live.agreement[id] = nil
        commit(.applicationDeleted(id))
    }

    private mutating func follow(_ application: SampleBatch.Application) {
        let policy = ApplicationPolicy(
            priority: application.priority, cap: application.cap, blockSize: application.blockSize)
        let known = state.applications[application.id]
        if let known, known.name != application.name { drop(known.id) }
        if let other = state.names[application.name], other != application.id { drop(other) }
        if let record = state.applications[application.id] {
            if record.policy != policy {
                commit(.applicationUpdated(record.id, policy: policy, revision: live.revision + 1))
            }
        } else {
            commit(
                .applicationCreated(
                    application.id, name: application.name, policy: policy, revision: live.revision + 1))
        }
        live.followed.owned[application.id] = application.owned
    }

    private mutating func learn(_ samples: [FleetSample], of theirs: Int) {
        if let last = live.followed.slot, theirs <= last {
            live.feed.duplicates += 1
            return
        }
        // This count went on without samples.
        if theirs + live.followed.offset <= state.slot { live.followed.offset = state.slot + 1 - theirs }
        live.followed.slot = theirs
        let told = Dictionary(samples.map { ($0.application, $0.demand) }, uniquingKeysWith: { first, _ in first })
        let learnt = state.applications.keys.sorted().map { sample(of: $0, agents: told[$0] ?? nil) }
        live.feed.taken += 1
        let before = state.slot
        commit(.sampled(slot: theirs + live.followed.offset, learnt))
        renewPrior(since: before)
    }

    /// Whether another source's samples may count the intervals: the coordinator spoke, and says no samples now.
    var mayBeat: Bool {
        guard configuration.profiler == .alone else { return true }
        guard let last = live.followed.sampled else { return false }
        return now - last > configuration.aggregateInterval * Self.slotPatience
    }

    /// The last interval of the coordinator that is learnt; what this profiler asks for comes after it.
    public var followedSlot: Int { live.followed.slot ?? state.slot }

    /// Time since the coordinator that this profiler follows said something; nil before it did.
    public func followedAge(at now: Instant) -> Duration? { live.followed.heard.map { now - $0 } }
}

/// One forecast of a profiler in another process.
struct ToldForecast: Sendable {
    var forecast: PeakForecast
    var until: Instant
}

/// The coordinator's side: what the profiler says is good for a while.
extension CoordinatorMachine {
    /// Decisions that one forecast may serve before it says nothing any more.
    private static let decisionsPerForecast = 2

    mutating func take(_ forecasts: [ApplicationID: PeakForecast]) {
        guard configuration.profiler == .elsewhere else { return }
        let until = now + configuration.decisionInterval * Self.decisionsPerForecast
        for (id, forecast) in forecasts where state.applications[id] != nil {
            live.forecasts[id] = ToldForecast(forecast: forecast, until: until)
        }
    }

    /// Nil when nothing was told lately: then the watermarks decide.
    func told(of application: ApplicationID, at now: Instant) -> PeakForecast? {
        guard let told = live.forecasts[application], told.until > now else { return nil }
        return told.forecast
    }

    /// Ids, ascending.
    public var followedApplications: [ApplicationID] { state.series.keys.sorted() }

    /// Peaks of applications, with the state of each: what a coordinator elsewhere decides by.
    public func peaks(of applications: some Sequence<ApplicationID>) -> PeakTable {
        var table = PeakTable(leads: state.forecasting.peakLeads, applications: [:])
        for id in applications {
            guard let forecaster = state.series[id] else { continue }
            table.applications[id] = .init(state: forecaster.state, peaks: forecaster.peaks)
        }
        return table
    }
}

/// The peaks of applications, by ``PeakForecast/levels``.
public struct PeakTable: Sendable {
    public struct Row: Hashable, Sendable {
        public var state: ProfileState
        /// By lead, then by level.
        public var peaks: [Double]
    }
    public var leads: [Duration]
    public var applications: [ApplicationID: Row]
}
