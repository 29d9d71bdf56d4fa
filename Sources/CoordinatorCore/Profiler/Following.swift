public import Allocation
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
}

/// Whom a profiler alone learns of.
struct Follows: Hashable, Sendable, Codable {
    /// See ``CoordinatorMachine/installation``.
    var installation: UInt64
    /// From its count to the one here: both differ once that one went back, to a backup.
    var offset: Int
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
                why: "is \(seconds(configuration.aggregateInterval)) here and \(seconds(batch.interval)) at the "
                    + "coordinator; give both the same")
        }
        guard state.follows == nil || state.follows?.installation == batch.installation else {
            throw .invalid(
                field: "coordinator",
                why: "is of another installation than the one that was learnt here; correct the address, or give the "
                    + "profiler another state-directory")
        }
        if state.follows == nil { commit(.followed(installation: batch.installation, offset: 0)) }
        if batch.isWhole {
            reckon(batch)
            let kept = Set(batch.applications.map(\.id))
            for id in state.applications.keys.sorted() where !kept.contains(id) { drop(id) }
        }
        for id in batch.removed { drop(id) }
        for application in batch.applications { follow(application) }
        if let groups = batch.groups { live.followed.groups = groups }
        // The first word of all says how intervals are counted.
        if state.slot == 0, batch.slot > 0 { commit(.sampled(slot: batch.slot - (batch.samples == nil ? 0 : 1), [])) }
        if let samples = batch.samples { learn(samples, of: batch) }
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
            priority: application.priority, cap: application.cap, blockSize: application.blockSize,
            costRatio: application.costRatio)
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

    /// What comes follows the slot of a whole batch. Below the last one a backup was restored there: its intervals are new
    /// ones, and this count does not go back.
    private mutating func reckon(_ batch: SampleBatch) {
        let wentBack = batch.slot < followedSlot
        live.followed.slot = batch.slot
        guard wentBack, let follows = state.follows else { return }
        commit(.followed(installation: follows.installation, offset: state.slot - batch.slot))
    }

    private mutating func learn(_ samples: [FleetSample], of batch: SampleBatch) {
        if let last = live.followed.slot, batch.slot <= last {
            live.feed.duplicates += 1
            return
        }
        live.followed.slot = batch.slot
        let before = state.slot
        let slot = batch.slot + (state.follows?.offset ?? 0)
        // Another source went on meanwhile: what it told of that interval stays.
        guard slot > before else {
            live.feed.late += 1
            return
        }
        let told = Dictionary(samples.map { ($0.application, $0.demand) }, uniquingKeysWith: { first, _ in first })
        let learnt = state.applications.keys.sorted().map { id in
            batch.isPast ? past(of: id, told[id] ?? nil) : sample(of: id, agents: told[id] ?? nil)
        }
        live.feed.taken += 1
        commit(.sampled(slot: slot, learnt))
        renewPrior(since: before)
    }

    /// Of an interval that is over: another source says nothing of it any more.
    private func past(of application: ApplicationID, _ agents: FleetSample.Demand?) -> FleetSample {
        let isTold = agents.map { $0.vms > 0 || $0.launches > 0 } ?? false
        let isTheirs = isTold || state.agentsSpoke.contains(application) || !state.fed.contains(application)
        return FleetSample(application: application, demand: isTheirs ? agents : nil)
    }

    /// Whether another source's samples may count the intervals: the coordinator spoke, and says no samples now.
    var mayBeat: Bool {
        guard configuration.profiler == .alone else { return true }
        guard let last = live.followed.sampled else { return false }
        return now - last > configuration.aggregateInterval * Self.slotPatience
    }

    /// The last interval of the coordinator that is learnt; what this profiler asks for comes after it.
    public var followedSlot: Int { live.followed.slot ?? state.slot - (state.follows?.offset ?? 0) }

    /// Where the coordinator's count stands now, reckoned from its last word; nil before any.
    var reckonedSlot: Int? {
        guard let last = live.followed.sampled else { return nil }
        let since = max(0, Int((now - last) / configuration.aggregateInterval))
        return followedSlot + (state.follows?.offset ?? 0) + since
    }

    /// Time since the coordinator that this profiler follows said something; nil before it did.
    public func followedAge(at now: Instant) -> Duration? { live.followed.heard.map { now - $0 } }
}

/// What a profiler in another process says of one application.
public struct ToldProfile: Hashable, Sendable {
    public var forecast: PeakForecast
    /// Nil while the rule of marginal value says nothing there.
    public var marginal: MarginalAdvice?
    public init(forecast: PeakForecast, marginal: MarginalAdvice? = nil) {
        self.forecast = forecast
        self.marginal = marginal
    }
}

/// How long it counts.
struct ToldForecast: Sendable {
    var profile: ToldProfile
    var until: Instant
}

/// The coordinator's side: what the profiler says is good for a while.
extension CoordinatorMachine {
    /// Decisions that one forecast may serve before it says nothing any more.
    private static let decisionsPerForecast = 2
    /// Peaks come with samples: so many intervals may pass between two tellings.
    private static let intervalsPerForecast = 3

    mutating func take(_ profiles: [ApplicationID: ToldProfile]) {
        guard configuration.profiler == .elsewhere else { return }
        let until =
            now
            + max(
                configuration.decisionInterval * Self.decisionsPerForecast,
                configuration.aggregateInterval * Self.intervalsPerForecast)
        for (id, profile) in profiles where state.applications[id] != nil {
            live.forecasts[id] = ToldForecast(profile: profile, until: until)
        }
    }

    /// Nil when nothing was told lately: then the watermarks decide.
    func told(of application: ApplicationID, at now: Instant) -> PeakForecast? {
        toldProfile(of: application, at: now)?.forecast
    }

    func toldProfile(of application: ApplicationID, at now: Instant) -> ToldProfile? {
        guard let told = live.forecasts[application], told.until > now else { return nil }
        return told.profile
    }

    /// Ids, ascending.
    public var followedApplications: [ApplicationID] { state.series.keys.sorted() }

    /// Peaks of applications, with the state of each: what a coordinator elsewhere decides by.
    public func peaks(of applications: some Sequence<ApplicationID>) -> PeakTable {
        var table = PeakTable(leads: state.forecasting.peakLeads, applications: [:])
        for id in applications {
            guard let forecaster = state.series[id] else { continue }
            table.applications[id] = .init(
                state: forecaster.state, peaks: forecaster.peaks, marginal: learntMarginal(of: id))
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
        /// Nil while the rule of marginal value says nothing.
        public var marginal: MarginalAdvice?
        public init(state: ProfileState, peaks: [Double], marginal: MarginalAdvice? = nil) {
            self.state = state
            self.peaks = peaks
            self.marginal = marginal
        }
    }
    public var leads: [Duration]
    public var applications: [ApplicationID: Row]
    public init(leads: [Duration], applications: [ApplicationID: Row]) {
        self.leads = leads
        self.applications = applications
    }
}
