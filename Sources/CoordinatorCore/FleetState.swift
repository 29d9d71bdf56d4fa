import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
import SNISpace

struct ApplicationRecord: Hashable, Sendable, Codable {
    var id: ApplicationID
    var name: String
    var policy: ApplicationPolicy
    /// Of its last change.
    var revision: UInt64
    var deleting = false
}

struct SessionRecord: Hashable, Sendable, Codable {
    var id: SessionID
    var application: ApplicationID
    var label: String
    var ended = false
    /// Rises with every session.
    var number: UInt64
}

extension ApplicationForecaster {
    /// One interval of the fleet; nil when it is unknown.
    mutating func add(_ demand: FleetSample.Demand?, slot: Int) {
        guard let demand else { return gap(at: slot) }
        observe(demand.sample, at: slot, indicators: demand.indicators)
    }
}

extension FleetSample.Demand {
    var sample: DemandSample { DemandSample(concurrent: vms, peak: peak, launches: launches, stops: stops) }
}

/// All that survives the process. ``apply(_:)`` is the only mutation and decides nothing.
struct FleetState: Sendable {
    let interval: Duration
    /// With what the fleet has taught.
    var forecasting: ForecastShape
    let launchHalfLife: Duration
    /// Nil where aggregate intervals are longer than any tick.
    let marginalClock: MarginalClock?
    let costRatios: CostRatios
    let profilesMax: Int
    let isProfiling: Bool
    /// What was learnt before, kept as it is while there is no profiler.
    var dormant = DormantProfiles()
    var isFounded = false
    var foundation: Foundation
    var generation: UInt64 = 1
    var term: UInt64 = 0
    var book: Book
    var applications: [ApplicationID: ApplicationRecord] = [:]
    /// Names of the living.
    var names: [String: ApplicationID] = [:]
    var sessions: [SessionID: SessionRecord] = [:]
    var sessionCount: UInt64 = 0
    var hosts: [HostID: HostRecord] = [:]
    var safety: [HostID: HostSafety] = [:]
    var restoration = RestorationState()
    var migrations: [SessionNetworkID: Migration] = [:]
    var reclaimCursors = ReclaimCursors()
    var sharding = ShardingState()
    var bindings = BindingTable()
    var launches = LaunchCounts()
    var series: [ApplicationID: ApplicationForecaster] = [:]
    var histories: [ApplicationID: ApplicationHistory] = [:]
    /// What the rule of marginal value knows.
    var marginals: [ApplicationID: MarginalProfile] = [:]
    /// Of which an agent reported a VM or a launch, ever: what agents say of it counts, silence too.
    var agentsSpoke: Set<ApplicationID> = []
    /// Of which another source told.
    var fed: Set<ApplicationID> = []
    /// Last slot with a VM or a launch, or that of its creation.
    var lastActive: [ApplicationID: Int] = [:]
    /// Applications whose learnt state a snapshot held and that had to start anew: another interval or another version.
    var relearning: [ApplicationID] = []
    var recentLaunches: [ApplicationID: [HostID: DecayedCount]] = [:]
    /// VMs on interfaces that another system manages, as each host last reported.
    var observed: [HostID: [ApplicationID: Int]] = [:]
    /// Whom a profiler alone learns of; nil for others, and before the first word.
    var follows: Follows?
    /// Last aggregate interval that was folded.
    var slot = 0

    init(
        _ configuration: CoordinatorConfiguration, forecasting: ForecastShape, foundation: Foundation
    ) throws(BookError) {
        interval = configuration.aggregateInterval
        self.forecasting = forecasting
        launchHalfLife = configuration.seasonLength / 48
        profilesMax = configuration.profilesMax
        marginalClock = MarginalClock(interval: configuration.aggregateInterval)
        costRatios = configuration.costRatios
        isProfiling = configuration.profiler != .elsewhere
        self.foundation = foundation
        book = Book(plan: try foundation.plan())
    }

    mutating func apply(_ event: CoordinatorEvent) {
        switch event {
        case .founded(let foundation):
            // The stored foundation was valid when it was written; a store that says otherwise is not ours.
            guard let plan = try? foundation.plan() else { preconditionFailure("stored foundation \(foundation)") }
            isFounded = true
            self.foundation = foundation
            book = Book(plan: plan)
        case .termStarted(let term): self.term = term
        case .book(let event):
            book.apply(event)
            endMigration(with: event)
        case .shardingApplied(let version, let thresholds):
            sharding = ShardingState(version: version, thresholds: thresholds)
        case .applicationCreated(let id, let name, let policy, let revision):
            applications[id] = ApplicationRecord(id: id, name: name, policy: policy, revision: revision)
            names[name] = id
            beginProfile(of: id)
        case .applicationUpdated(let id, let policy, let revision):
            applications[id]?.policy = policy
            applications[id]?.revision = revision
            limitForecast(of: id)
        case .applicationDeleting(let id, let revision):
            applications[id]?.deleting = true
            applications[id]?.revision = revision
        case .applicationDeleted(let id): forget(id)
        case .sessionCreated(let id, let application, let label):
            sessionCount += 1
            sessions[id] = SessionRecord(id: id, application: application, label: label, number: sessionCount)
        case .sessionEnded(let id): sessions[id]?.ended = true
        case .hostGranted(let record): hosts[record.id] = record
        case .host(let id, let event):
            safety[id, default: HostSafety()].apply(event, of: hosts[id])
            if safety[id] == HostSafety() { safety[id] = nil }
            // Its machine is off: what else ran there runs no more.
            if case .fenced = event { observed[id] = nil }
        case .generationRaised(let generation):
            self.generation = generation
            reclaimCursors.begin(generation, after: book.reclaimedLast)
        case .restoration(.started): restoration = RestorationState(isOn: true, awaited: Set(hosts.keys))
        case .restoration(.heard(let host)): restoration.awaited.remove(host)
        case .restoration(.ended): restoration.isOn = false
        case .migration(let event): apply(event)
        case .bindings(let host, let sequence, let records, let whole):
            applyBindings(host, sequence, records, whole: whole)
        case .aggregated(let host, let sequence, let slot, let tallies):
            applyTallies(of: host, sequence, slot, tallies)
        case .sampled(let slot, let samples):
            self.slot = max(self.slot, slot)
            for sample in samples { learn(sample, slot: slot) }
        case .backfilled(let id, let slot, let forecaster, let history, let marginal):
            applyPast(id, LearntPast(slot: slot, forecaster, history, marginal))
        case .followed(let installation, let offset): follows = Follows(installation: installation, offset: offset)
        case .priorRenewed: renewPrior()
        case .profilesEvicted(let ids):
            for id in ids { forgetProfile(of: id) }
        }
    }

    private mutating func applyTallies(of host: HostID, _ sequence: UInt64, _ slot: Int, _ tallies: [LaunchTally]) {
        hosts[host]?.aggregateSequence = sequence
        hosts[host]?.slotOffset = slot - Int(sequence)
        let seen = tallies.compactMap { tally in tally.observed.map { (tally.application, $0) } }
        observed[host] = seen.isEmpty ? nil : Dictionary(seen, uniquingKeysWith: +)
        for tally in tallies where tally.launches > 0 && applications[tally.application] != nil {
            recentLaunches[tally.application, default: [:]][
                host, default: DecayedCount(halfLife: launchHalfLife)
            ].add(tally.launches, at: time(of: slot))
        }
    }

    /// A migration is over when its sub-lease is.
    private mutating func endMigration(with event: BookEvent) {
        switch event {
        case .freed(let block) where block.size == 1, .superseded(let block) where block.size == 1:
            migrations[block.first] = nil
        default: break
        }
    }

    private mutating func apply(_ event: MigrationEvent) {
        switch event {
        case .started(let migration): migrations[migration.sni] = migration
        case .sourceReady(let sni): migrations[sni]?.isSourceReady = true
        case .aborted(let sni): migrations[sni]?.isAborted = true
        case .flipped(let sni):
            migrations[sni]?.phase = .flipped
            migrations[sni]?.isSourceReady = true
            migrations[sni]?.isAborted = false
        case .dropped(let sni): migrations[sni]?.phase = .dropped
        }
    }

    /// The clock of aggregates: it stands still while the coordinator is down.
    func time(of slot: Int) -> Instant { Instant(nanoseconds: (interval * slot).inNanoseconds) }

    private mutating func forget(_ id: ApplicationID) {
        if let record = applications.removeValue(forKey: id), names[record.name] == id { names[record.name] = nil }
        for session in sessions.values where session.application == id { sessions[session.id] = nil }
        forgetProfile(of: id)
        recentLaunches[id] = nil
    }

    private mutating func applyBindings(
        _ host: HostID, _ sequence: UInt64, _ records: [BindingRecord], whole: Bool
    ) {
        let known = bindings.byHost[host] ?? [:]
        if whole { bindings.removeAll(of: host) }
        for record in records {
            let block = book.lease(around: record.sni, of: host)?.block.key
            let earlier = whole ? known[record.sni.rawValue] : bindings.byHost[host]?[record.sni.rawValue]
            var counted = earlier.map { $0.record.interface == record.interface && $0.counted } ?? false
            if !whole, !counted, record.state == .bound {
                count(record.servedFrom)
                counted = true
            }
            bindings.set(record, on: host, block: block, counted: counted)
        }
        if !whole, let acknowledged = hosts[host]?.journalSequence {
            hosts[host]?.journalSequence = max(acknowledged, sequence)
        }
    }

    private mutating func count(_ served: ServedFrom) {
        switch served {
        case .staged: launches.staged += 1
        case .leased: launches.leased += 1
        case .reserved: launches.reserved += 1
        case .cold: launches.cold += 1
        }
    }
}

extension Foundation {
    func plan() throws(BookError) -> PoolPlan {
        try PoolPlan(
            chunkOrder: chunkOrder, pool: pool, excluded: excluded, key: ShuffleKey(high: keyHigh, low: keyLow))
    }
}

extension CoordinatorConfiguration {
    /// Length of the season that demand repeats with.
    var seasonLength: Duration { dayLength ?? horizons.max() ?? .seconds(86_400) }

    /// - Throws: `invalid` when the season holds more samples than a forecaster follows.
    func forecasting() throws(CoordinatorError) -> ForecastShape {
        let step = decisionInterval + leadTime
        let profile = ProfileConfiguration(
            sampleInterval: aggregateInterval, horizons: horizons, shortLeads: [aggregateInterval, step, step * 2],
            dayLength: max(seasonLength, aggregateInterval))
        do throws(SeriesConfigurationError) {
            return try ForecastShape(profile, calendar: calendar)
        } catch {
            throw CoordinatorError.invalid(
                field: "aggregate-interval", why: "a season of \(seasonLength) can't be followed at this interval")
        }
    }
}
