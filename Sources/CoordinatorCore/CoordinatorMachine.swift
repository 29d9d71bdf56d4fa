import Allocation
@_spi(Simulation) public import NetworkTypes
import SNISpace

/// The coordinator: a state machine that decides, and leaves every act to its shell.
///
/// Durable state changes by events only, which the shell stores before it performs any later effect; replaying them
/// rebuilds the machine. Deadlines, streams and acknowledgements are of this process: after a recovery all lengths of
/// time start anew, hosts are asked again, and nothing that waited for an acknowledgement is taken as acknowledged.
///
/// Order of a life: `init`, `replay` for every stored event (or `init(restoring:)` first), `recovered`, then `handle`.
public struct CoordinatorMachine: Sendable {
    public let configuration: CoordinatorConfiguration
    var state: FleetState
    var live = Live()
    var turn = Turn(now: Instant(nanoseconds: 0))
    var randomness: Randomness
    /// Safeguards left out, for the simulator to find.
    @_spi(Simulation) public var planted: PlantedDefects = []

    /// - Parameter randomSeed: must differ in every process: identifiers and the chunk key come from it.
    /// - Throws: `invalid` for a configuration that contradicts itself.
    public init(configuration: CoordinatorConfiguration, randomSeed: UInt64) throws(CoordinatorError) {
        try configuration.validate()
        var randomness = Randomness(seed: randomSeed)
        self.configuration = configuration
        let foundation = Foundation(
            chunkOrder: configuration.chunkSize.trailingZeroBitCount, pool: configuration.pool,
            excluded: configuration.excluded, keyHigh: randomness.next(), keyLow: randomness.next(),
            overlayIPv4: configuration.overlay.ipv4.description, overlayIPv6: configuration.overlay.ipv6.description)
        let forecasting = try configuration.forecasting()
        do throws(BookError) {
            state = try FleetState(configuration, forecasting: forecasting, foundation: foundation)
        } catch {
            throw CoordinatorError(error)
        }
        self.randomness = randomness
    }

    /// Recovery: applies, decides nothing.
    public mutating func replay(_ event: CoordinatorEvent) {
        live.revision += 1
        state.apply(event)
    }

    /// What of the configuration contradicts the store, nil when nothing does. Ask after the replay, before
    /// ``recovered(at:)``.
    public func contradiction() -> CoordinatorError? {
        guard state.isFounded else { return nil }
        if let foreign = foreignState { return foreign }
        let stored = state.foundation
        func fixed(_ field: String, _ value: String) -> CoordinatorError {
            .invalid(field: field, why: "the store was founded with \(value), which never changes")
        }
        guard 1 << stored.chunkOrder == configuration.chunkSize else {
            return fixed("chunk-size", "\(1 << stored.chunkOrder)")
        }
        guard stored.pool == configuration.pool else { return fixed("pool", "\(stored.pool)") }
        guard stored.excluded == configuration.excluded else { return fixed("exclude", "\(stored.excluded)") }
        guard stored.overlayIPv4 == configuration.overlay.ipv4.description else {
            return fixed("overlay-ipv4", stored.overlayIPv4)
        }
        guard stored.overlayIPv6 == configuration.overlay.ipv6.description else {
            return fixed("overlay-ipv6", stored.overlayIPv6)
        }
        return nil
    }

    /// A store serves one part: what a profiler alone forgets, a coordinator owns, and the other way round.
    private var foreignState: CoordinatorError? {
        if configuration.profiler == .alone {
            // What was never used is nobody's yet.
            let isUnused = state.applications.isEmpty && state.sessions.isEmpty && state.hosts.isEmpty
            guard state.follows != nil || isUnused && everyLease.isEmpty && state.book.reservations().isEmpty else {
                return .invalid(
                    field: "state-directory", why: "holds the state of a coordinator, not of a profiler alone")
            }
        } else if state.follows != nil {
            return .invalid(field: "state-directory", why: "holds the state of a profiler alone, not of a coordinator")
        }
        return nil
    }

    /// Ends the recovery: a new term, every length of time from its start, every host expected back.
    ///
    /// - Parameter restoredFromBackup: the store is older than what it ruled. The generation rises, and nothing moves
    ///   until hosts have said what they hold; see `Restoration`.
    /// - Parameter clockSlot: aggregate intervals since 1970, which a new store begins to count at: so days begin at
    ///   midnight UTC, and there is room for a past. Nil begins at nothing.
    public mutating func recovered(
        at now: Instant, restoredFromBackup: Bool = false, clockSlot: Int? = nil
    ) -> [CoordinatorEffect] {
        precondition(!live.isRecovered, "recovered twice")
        turn = Turn(now: now)
        live.isRecovered = true
        live.startedAt = now
        if !state.isFounded { commit(.founded(state.foundation)) }
        commit(.termStarted(state.term + 1))
        if let clockSlot, clockSlot > 0, state.slot == 0, state.hosts.isEmpty {
            commit(.sampled(slot: clockSlot, []))
        }
        if restoredFromBackup { beginRestoration(above: state.generation) }
        if !state.relearning.isEmpty {
            notice(
                .warning, "profiles-anew",
                "what was learnt of \(state.relearning.count) applications is of another interval, season or version; "
                    + "they are forecast from their next samples on")
        }
        recoverRanks()
        recoverPresence()
        recoverHosts()
        recoverTimers()
        settle()
        return finish()
    }

    /// The earliest moment at which a tick has something to do.
    public var nextDeadline: Instant? { live.timers.next }

    public mutating func handle(_ input: CoordinatorInput, at now: Instant) -> [CoordinatorEffect] {
        turn = Turn(now: now)
        guard live.isRecovered else {
            if case .command(let request, _) = input { turn.late.append(.reply(request, .failure(.notReady))) }
            return finish()
        }
        expire()
        switch input {
        case .command(let request, let command): reply(to: request, perform(command))
        case .connected(let stream): live.streams[stream] = StreamState()
        case .message(let stream, let identity, let message): receive(message, from: identity, on: stream)
        case .disconnected(let stream): disconnect(stream)
        case .forecasts(let forecasts): take(forecasts)
        case .tick: break
        }
        settle()
        return finish()
    }

    private mutating func finish() -> [CoordinatorEffect] {
        let effects = turn.effects(at: position)
        turn = Turn(now: turn.now)
        return effects
    }

    private mutating func reply(to request: RequestID, _ result: Result<Reply, CoordinatorError>) {
        turn.late.append(.reply(request, result))
    }

    mutating func notice(_ level: Notice.Level, _ code: String, _ message: String) {
        turn.late.append(.notice(Notice(level, code, message)))
    }

    var now: Instant { turn.now }

    /// Where messages stand that are sent now.
    public var position: Position { Position(generation: state.generation, term: state.term, revision: live.revision) }

    // MARK: Events

    /// Applies an event, remembers it for the store, and notes what follows from it in this process.
    mutating func commit(_ event: CoordinatorEvent) {
        live.revision += 1
        state.apply(event)
        turn.events.append(event)
        if case .book(let event) = event { follow(event) }
    }

    mutating func commit(_ events: [BookEvent]) {
        for event in events { commit(.book(event)) }
    }

    /// Runs a command of the book and commits what it says.
    mutating func book(_ command: (Book) throws(BookError) -> [BookEvent]) throws(BookError) {
        commit(try command(state.book))
    }

    private mutating func follow(_ event: BookEvent) {
        switch event {
        case .reserved(let reservation):
            live.timers.arm(.reservation(reservation.id), at: now + reservation.lifetime)
            state.book.setExpiry(of: reservation.id, at: now + reservation.lifetime)
            state.book.serve(reservation.application, identifiers: reservation.block.size)
        case .reservationExtended(let id, let lifetime):
            live.timers.arm(.reservation(id), at: now + lifetime)
            state.book.setExpiry(of: id, at: now + lifetime)
        case .reservationEnded(let id, _): live.timers.cancel(.reservation(id))
        case .leased(let lease), .subleased(let lease):
            live.dirtyBlocks.insert(lease.block)
            live.dirtyScopes.insert(lease.application)
            changePresence(of: lease.application, on: lease.host, by: 1)
            if lease.predicted { live.places.lead.begin(lease.block, at: now) }
            awaitStaging(of: lease.block)
        case .staged(let block):
            live.dirtyBlocks.insert(block)
            live.places.lead.end(block, at: now)
        case .marked(let block, _, _, _):
            live.dirtyBlocks.insert(block)
            live.timers.arm(.drain(block), at: now + configuration.drainTimeout)
        case .markAborted(let block, _):
            live.dirtyBlocks.insert(block)
            live.recalled.remove(block)
            live.timers.cancel(.drain(block))
            // Peers may have acknowledged while the mark was out.
            if live.waits[block.key] == nil { complete(block.key) }
        case .drained(let block, _), .fenced(let block, _, _):
            live.timers.cancel(.drain(block))
            guard let lease = state.book.lease(of: block) else { return }
            live.dirtyBlocks.insert(block)
            live.dirtyScopes.insert(lease.application)
            changePresence(of: lease.application, on: lease.host, by: -1)
            awaitRemoval(of: lease)
        case .removed(let block):
            let rest = planted.contains(.skipQuarantine) ? .zero : configuration.quarantine
            live.timers.arm(.quarantine(block), at: now + rest)
        case .freed(let block), .superseded(let block):
            live.waits[block.key] = nil
            live.idleSince[block.key] = nil
            live.places.lead.forget(block)
            live.timers.cancel(.quarantine(block))
            guard block.size == 1 else { break }
            live.flips[block.first] = nil
            live.departing[block.first] = nil
            // The source has its identifier back.
            if let home = state.book.blockLease(around: block.first)?.host { live.dirtyHosts.insert(home) }
        // By its new class, and within its new cap, it waits from its next refusal on.
        case .quotaSet(let application, _, _), .ranked(let application, _), .applicationForgotten(let application):
            state.book.leaveLine(application)
        case .chunkOpened, .chunkTempered, .unreserved, .excluded, .included: break
        }
    }

    // MARK: Time

    private mutating func expire() {
        while let key = live.timers.pop(at: now) {
            switch key {
            case .reservation(let id): expireReservation(id)
            case .drain(let block): drainTimedOut(block)
            case .quarantine(let block): quarantineEnded(block)
            case .silence(let host): silenceEnded(host)
            case .fence(let host): fenceTimePassed(host)
            case .decision:
                decideAll()
                // Who is still short has said so again.
                state.book.forgetWaiting(until: now)
            case .follow: followLaunches()
            case .fold: foldSlots()
            }
        }
    }

    private mutating func recoverTimers() {
        for reservation in state.book.reservations() {
            live.timers.arm(.reservation(reservation.id), at: now + reservation.lifetime)
            state.book.setExpiry(of: reservation.id, at: now + reservation.lifetime)
        }
        for lease in everyLease {
            switch lease.state {
            case .marked: live.timers.arm(.drain(lease.block), at: now + configuration.drainTimeout)
            case .quarantined: live.timers.arm(.quarantine(lease.block), at: now + configuration.quarantine)
            case .leased, .staged, .draining: break
            }
        }
        live.timers.arm(.decision, at: now + configuration.decisionInterval)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): identifiers need to be distinct, not secret; the chunk key is as secret as
/// the seed that the shell drew from the kernel.
struct Randomness: RandomNumberGenerator, Sendable {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
