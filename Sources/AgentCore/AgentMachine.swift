import Dataplane
import DequeModule
public import FleetProtocol
@_spi(Simulation) public import NetworkTypes
import SNISpace
import Telemetry

/// The agent's state machine: the only authority on which VM interface holds which identifier of its host's leases.
///
/// Pure: time comes in as an ``NetworkTypes/Instant`` of the boot-time clock (`CLOCK_BOOTTIME`, which is the same for every process of a boot),
/// everything done goes out as an ``AgentEffect``. Order of durability: journal, kernel, answer, for what is added and
/// for what goes alike.
///
/// An identifier inside a lease:
///
/// | state | event | next | effects |
/// |---|---|---|---|
/// | available | attach | launching | journal `bound` |
/// | launching | journalled | launching | create the port |
/// | launching | port made | launching | data plane: set port |
/// | launching | kernel carries it | bound | answer, report |
/// | launching | failure, or Detach came | releasing | journal `unbound` |
/// | bound | detach, or forced drain | releasing | journal `unbound` |
/// | releasing | journalled | releasing | data plane: remove port |
/// | releasing | kernel is clear | releasing | delete port |
/// | releasing | port is gone | cooling | answer |
/// | cooling | cooldown over | available | journal `ended`, report |
/// | bound | detach with a hold | held | journal `held`, data plane: remove port, delete port, answer |
/// | held | attach of the same interface | launching | journal `bound`, create the port |
/// | held | hold over, detach, or forced drain | releasing | journal `unbound` |
/// | (incoming lease) | attach of the VM that migrates here | standby | journal `bound`, port made and closed, answer |
/// | standby | first frame of the guest | bound | journal `arrived`, data plane: open the port, tell the coordinator |
/// | bound, departing | the coordinator says flipped | releasing | data plane: forwarding; journal `unbound` |
///
/// A departing identifier is not available before the coordinator has taken the departure back.
///
/// A block: leased -> marked (answers `refused` while it has users, waits while identifiers cool, a launch may still
/// win) -> drained (journalled: nothing is bound at this epoch again) -> removed.
public struct AgentMachine: Sendable {
    let configuration: AgentCoreConfiguration
    let identity: AgentIdentity
    var random: SplitMix64
    var durable = DurableState()

    // What the shell owes.
    var nextToken: UInt64 = 1
    private(set) var pending: [Token: Pending] = [:]
    /// How many of these try again what the kernel did not take.
    private(set) var retriesPending = 0
    /// Last sequence whose `journaled` came.
    var durableSequence: UInt64 = 0
    /// Sequence that the journal had when the process found it.
    var foundSequence: UInt64 = 0
    /// The coordinator has taken this process's journal for the newest there is.
    var isJoined = false
    var recordsSinceCheckpoint = 0
    var journalFailure: String?

    // The stream.
    var connected = false
    /// This stream brought a grant, or a stop in its place: what is said on it counts.
    var streamGranted = false
    /// Revision of the last update on this stream; nil before its snapshot.
    var streamRevision: UInt64?
    /// When that was said here which the coordinator was last known to have heard.
    var lastContact: Instant?
    var helloSentAt: Instant?
    var acknowledged = Position.zero
    /// The endpoint that the kernel still sends from; nil when that is the configured one.
    var former: IPAddress?
    /// Position of the update that ends that, until the kernel carries it.
    var switchedAt: Position?
    /// Highest position that journal and kernel carry.
    var applied = Position.zero
    /// What the data plane must be told once there is one.
    var recoveredState: (position: Position, changes: [DataplaneChange])?
    var desireSent: Bool { recoveredState == nil }
    /// Position of the last update given to the data plane.
    var submitted = Position.zero
    /// An update that the kernel did not take whole, and when to try again.
    var applyAgainAt: Instant?
    var sentReports: UInt64 = 0
    var reportedNotJournaled: UInt64?
    /// Highest mark answered with a refusal, per block: such an epoch is never drained.
    var refusedMarks: [SNIBlock: Epoch] = [:]
    /// Sequence of the drain record of a block: no answer before it is durable.
    var drainRecords: [SNIBlock: UInt64] = [:]

    /// Everything of the leases that may be handed out, in order.
    var book = HostBook()
    /// Single identifiers by the interface that migrates here with them, and the other way round.
    var incoming: [VMInterface: Set<SNIBlock>] = [:]
    var incomingBlocks: [SNIBlock: VMInterface] = [:]

    // Launches, plugs and releases under way.
    var launches: [VMInterface: Launch] = [:]
    /// Launches without an identifier, oldest first, and how long they wait.
    var waiting: [ApplicationID: Deque<VMInterface>] = [:]
    var waitingUntil = Deadlines<VMInterface>()
    var asks: [ApplicationID: Ask] = [:]
    var releases: [SessionNetworkID: Release] = [:]
    var releasing: [VMInterface: SessionNetworkID] = [:]
    /// When a removal that failed is tried again.
    var retries = Deadlines<SessionNetworkID>()
    var cooling = Deadlines<SessionNetworkID>()
    /// When the identifiers of stopped VMs are given back.
    var holds = Deadlines<SessionNetworkID>()
    /// A withdrawal is under way: nothing is acknowledged before the last port is gone.
    var withdrawing = false
    /// Ports in the kernel, by identifier: their interface index.
    var ports: [SessionNetworkID: Int] = [:]
    /// Kernel ports without a record: their identifiers are not handed out.
    var unknownPorts: [SessionNetworkID: AdoptedPort] = [:]
    /// Those of them that were detached or are superfluous, and when the kernel is asked again.
    var doomed: [SessionNetworkID: Instant?] = [:]
    var holdUntil: Instant?

    // Telemetry.
    var windows: [ApplicationID: Window] = [:]
    var windowStart: Instant?
    var present: [ApplicationID: Int] = [:]
    var backlog: AggregateBacklog
    /// Records of the backlog's copy on disk; nil when it has none, or not all.
    var keptRecords: Int?
    var unattributedPackets: UInt64?
    /// VMs on interfaces that another system manages, at the latest reading.
    var observed: [ApplicationID: ObservedMeasure] = [:]
    var aggregateSequence: UInt64 = 0
    var counts = LaunchCounts()
    var latestHostReport: HostReport?
    var paths = PathBook()
    var nextEchoAt: Instant?

    /// Safeguards left out, for the simulator to find.
    @_spi(Simulation) public var planted: PlantedDefects = [] {
        didSet {
            durable.planted = planted
            rebuildBook()
        }
    }

    /// Wait before something that the kernel refused is tried again.
    static let retryInterval = Duration.seconds(1)

    /// `randomSeed` must differ from start to start: lease requests are named from it.
    public init(configuration: AgentCoreConfiguration, identity: AgentIdentity, randomSeed: UInt64) {
        self.configuration = configuration
        self.identity = identity
        former = configuration.former
        backlog = AggregateBacklog(limits: .init(batchesMax: configuration.aggregatesKeptMax))
        random = SplitMix64(state: randomSeed)
    }

    /// Feeds one input. The effects must be started in their order.
    public mutating func handle(_ input: AgentInput, at now: Instant) -> [AgentEffect] {
        var effects: [AgentEffect] = []
        switch input {
        case .connected: connect(at: now, into: &effects)
        case .disconnected: disconnect()
        case .message(let position, let message): receive(message, at: position, now: now, into: &effects)
        case .attach(let request, let wish): attach(wish, for: request, at: now, into: &effects)
        case .plug(let request, let wish): plug(wish, for: request, at: now, into: &effects)
        case .detach(let request, let interface, let hold):
            detach(interface, hold: hold, for: request, at: now, into: &effects)
        case .firstFrame(let sni): hearFirstFrame(of: sni, into: &effects)
        case .status(let request): effects.append(.reply(request, .success(.status(status(at: now)))))
        case .resolveRecovery(let request): resolveRecovery(for: request, at: now, into: &effects)
        case .journaled(let token): journaled(token, at: now, into: &effects)
        case .journalFailed(let reason): failJournal(reason, into: &effects)
        case .dataplaneApplied(let token, let result): applied(token, result, at: now, into: &effects)
        case .portCreated(let token, let result): portCreated(token, result, at: now, into: &effects)
        case .portDeleted(let token, let result): portDeleted(token, result, at: now, into: &effects)
        case .measured(let step): fold(step)
        case .hostReport(let report):
            latestHostReport = dated(report)
            if streamGranted { effects.append(.send(.hostReport(withPaths(dated(report))))) }
        case .echoAnswered(let vtep, let round, let isFull):
            hearEcho(from: vtep, round: round, isFull: isFull, into: &effects)
        case .tick: tick(at: now, into: &effects)
        }
        return effects
    }

    /// When `tick` is due next, nil when nothing waits.
    public var nextDeadline: Instant? {
        var earliest = waitingUntil.next
        func consider(_ at: Instant?) { if let at { earliest = min(earliest ?? at, at) } }
        consider(cooling.next)
        consider(holds.next)
        if desireSent { consider(retries.next) }
        if !doomed.isEmpty { consider(doomed.values.compactMap(\.self).min()) }
        consider(applyAgainAt)
        consider(holdUntil)
        consider(nextAggregateAt)
        consider(nextEchoDue)
        return earliest
    }

    private mutating func tick(at now: Instant, into effects: inout [AgentEffect]) {
        expireLaunches(at: now, into: &effects)
        endCooling(at: now, into: &effects)
        endHolds(at: now, into: &effects)
        retryReleases(at: now, into: &effects)
        retryUnknown(at: now, into: &effects)
        if let at = applyAgainAt, at <= now, journalFailure == nil {
            applyAgainAt = nil
            effects.append(.dataplane([], expect(.applyAgain(submitted))))
        }
        if let at = holdUntil, at <= now {
            holdUntil = nil
            serveWaiting(at: now, into: &effects)
        }
        endResting(into: &effects)
        closeWindow(at: now, into: &effects)
        sendEchoes(at: now, into: &effects)
    }
}

extension AgentMachine {
    /// What to do when the shell reports the outcome of an effect.
    enum Pending: Sendable {
        case record(upTo: UInt64, then: AfterJournal)
        case update(Position)
        case applyAgain(Position)
        case launchPort(VMInterface)
        case launchDataplane(VMInterface)
        case arrivalDataplane(SessionNetworkID)
        case releaseDataplane(SessionNetworkID)
        case releasePort(SessionNetworkID)
        case unknownPort(SessionNetworkID)
        /// Only repaired or restored: nobody waits.
        case background
    }

    enum AfterJournal: Sendable {
        case nothing
        case granted(BootGrant)
        case stopped(BootGrant)
        case arrived(SessionNetworkID)
        case update(Position, DurableState.Consequences)
        case launch(VMInterface)
        case release(SessionNetworkID)
        case drained(SNIBlock, Epoch)
        case adopted([SessionNetworkID])
        case removal(AdoptedPort)
        /// Calls that nothing but the record has to be done for.
        case detached([RequestID])
    }

    mutating func expect(_ what: Pending) -> Token {
        let token = Token(nextToken)
        nextToken += 1
        pending[token] = what
        if case .applyAgain = what { retriesPending += 1 }
        return token
    }

    /// What was to be done at this outcome; once.
    mutating func settle(_ token: Token) -> Pending? {
        guard let what = pending.removeValue(forKey: token) else { return nil }
        if case .applyAgain = what { retriesPending -= 1 }
        return what
    }

    /// Puts records into the books at once and asks for them to be made durable. Nothing that depends on them may leave
    /// before `then` runs.
    @discardableResult
    mutating func journal(
        _ records: [JournalRecord], into effects: inout [AgentEffect],
        then: (DurableState.Consequences) -> AfterJournal = { _ in .nothing }
    ) -> DurableState.Consequences {
        var records = records
        if let upTo = reportedNotJournaled {
            records.append(.reported(journalSequence: upTo))
            reportedNotJournaled = nil
        }
        let first = durable.sequence + 1
        var all = DurableState.Consequences()
        for record in records {
            let one = durable.apply(record, sequence: durable.sequence + 1)
            all.changes += one.changes
            all.notices += one.notices
            all.marked += one.marked
            all.added += one.added
            all.flipped += one.flipped
        }
        refreshTouched()
        recordsSinceCheckpoint += records.count
        let token = expect(.record(upTo: durable.sequence, then: then(all)))
        effects.append(.journal(records, firstSequence: first, token))
        effects += all.notices.map { .notice($0) }
        if recordsSinceCheckpoint >= configuration.recordsPerCheckpoint {
            recordsSinceCheckpoint = 0
            let record = JournalRecord.checkpoint(durable.checkpoint)
            let sequence = durable.sequence + 1
            _ = durable.apply(record, sequence: sequence)
            effects.append(.checkpoint(record, sequence: sequence))
        }
        return all
    }

    private mutating func journaled(_ token: Token, at now: Instant, into effects: inout [AgentEffect]) {
        guard journalFailure == nil, case .record(let upTo, let then)? = settle(token) else {
            return
        }
        durableSequence = max(durableSequence, upTo)
        switch then {
        case .nothing: break
        case .granted(let grant): grantJournaled(grant, mayBind: true, at: now, into: &effects)
        case .stopped(let grant): grantJournaled(grant, mayBind: false, at: now, into: &effects)
        case .arrived(let sni): arrivalJournaled(sni, into: &effects)
        case .update(let position, let consequences):
            // Given to the data plane after what the journal said at start, or the older word would be the last.
            if let held = recoveredState {
                recoveredState = (max(held.position, position), held.changes + consequences.changes)
                break
            }
            giveToKernel(consequences.changes, at: position, into: &effects)
        case .launch(let interface): launchJournaled(interface, at: now, into: &effects)
        case .release(let sni): clear(sni, at: now, into: &effects)
        case .drained(let block, let epoch): answerDrained(block, epoch, into: &effects)
        case .adopted(let identifiers):
            let changes = identifiers.compactMap { port(of: $0) }.map(DataplaneChange.setPort)
            effects.append(.dataplane(changes, expect(.background)))
        case .removal(let port): remove(port, into: &effects)
        case .detached(let requests):
            for request in requests { effects.append(.reply(request, .success(.detached))) }
        }
        flushReports(into: &effects)
    }

    private mutating func applied(
        _ token: Token, _ result: Result<Void, DataplaneFailure>, at now: Instant, into effects: inout [AgentEffect]
    ) {
        if case .failure(let failure) = result { effects.append(.notice(.dataplanePending(reason: failure.reason))) }
        guard let what = settle(token) else { return }
        switch (what, result) {
        case (.update(let position), .success): carried(position, into: &effects)
        case (.applyAgain(let position), .success):
            applied = max(applied, position)
            acknowledge(into: &effects)
        case (.update, .failure), (.applyAgain, .failure), (.background, .failure):
            applyAgainAt = now + Self.retryInterval
        case (.launchDataplane(let interface), _):
            launchApplied(interface, result, at: now, into: &effects)
        case (.arrivalDataplane(let sni), _): arrivalApplied(sni, result, at: now, into: &effects)
        case (.releaseDataplane(let sni), _): releaseApplied(sni, result, at: now, into: &effects)
        case (.background, .success), (.record, _), (.launchPort, _), (.releasePort, _), (.unknownPort, _): break
        }
    }

    /// The journal is the promise: without it nothing new is bound, and running VMs are left alone.
    private mutating func failJournal(_ reason: String, into effects: inout [AgentEffect]) {
        guard journalFailure == nil else { return }
        journalFailure = reason
        effects.append(.notice(.journalFailed(reason: reason)))
        tellJournalFailure(into: &effects)
        for case .record(_, .detached(let requests)) in pending.sorted(by: { $0.key.rawValue < $1.key.rawValue }).map(
            \.value)
        {
            for request in requests { effects.append(.reply(request, .failure(.journal(reason: reason)))) }
        }
        for launch in launches.sorted(by: { $0.key < $1.key }).map(\.value) {
            for request in launch.waiters { effects.append(.reply(request, .failure(.journal(reason: reason)))) }
            for request in launch.detachers { effects.append(.reply(request, .failure(.journal(reason: reason)))) }
        }
        for release in releases.sorted(by: { $0.key < $1.key }).map(\.value) {
            for request in release.detachers { effects.append(.reply(request, .failure(.journal(reason: reason)))) }
            for (request, _) in release.followers {
                effects.append(.reply(request, .failure(.journal(reason: reason))))
            }
        }
        launches = [:]
        waiting = [:]
        waitingUntil.removeAll()
        releases = [:]
        retries.removeAll()
        releasing = [:]
    }
}

/// A small seeded generator (Steele, Lea, Flood 2014), so that a run can be repeated.
struct SplitMix64: RandomNumberGenerator, Sendable {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
