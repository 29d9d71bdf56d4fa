import FleetProtocol
import NetworkTypes
import Telemetry

/// The stream to the coordinator: greeting, fencing, grants, acknowledgements.
extension AgentMachine {
    mutating func connect(at now: Instant, into effects: inout [AgentEffect]) {
        connected = true
        streamGranted = false
        streamRevision = nil
        helloSentAt = now
        effects.append(.send(.hello(hello)))
    }

    mutating func disconnect() {
        connected = false
        streamGranted = false
        streamRevision = nil
    }

    /// What an old copy of a journal has written since must not make it look like the newest one.
    private var claimedSequence: UInt64 {
        if isJoined { return durableSequence }
        return durable.refusal?.code == "journal-behind" ? 0 : foundSequence
    }

    private var hello: Hello {
        // Only what a crash right now would leave true: a drain is not promised before its record is durable.
        let leases = durable.leases.map { block, lease in
            LeaseRecord(
                block: block, application: lease.order.application, epoch: lease.order.epoch,
                drained: lease.drained && drainRecords[block, default: 0] <= durableSequence,
                awaitsArrival: lease.order.incoming != nil && !durable.arrived.contains(block.first))
        }
        return Hello(
            fingerprint: configuration.fingerprint, vtep: configuration.vtep, underlayMTU: configuration.underlayMTU,
            position: durable.position, journalSequence: claimedSequence, version: configuration.version,
            leases: leases.sorted { $0.block < $1.block },
            bindings: durable.bindings.values.map(\.binding).sorted { $0.sni < $1.sni } + unknownBindings,
            recovering: durable.recovering, aggregateSequence: aggregateSequence + 1, former: former)
    }

    /// Ports adopted without a journal whose mark tells everything that an inventory needs.
    private var unknownBindings: [BindingRecord] {
        guard durable.recovering else { return [] }
        return unknownPorts.values.sorted { $0.sni < $1.sni }.compactMap { port in
            guard durable.bindings[port.sni] == nil, doomed[port.sni] == nil, let interface = port.interface,
                let app = port.application
            else {
                return nil
            }
            return BindingRecord(
                sni: port.sni, interface: interface, application: app, state: .bound, servedFrom: .leased,
                epoch: durable.lease(of: port.sni)?.order.epoch ?? Epoch(0))
        }
    }

    mutating func receive(
        _ message: CoordinatorMessage, at position: Position, now: Instant, into effects: inout [AgentEffect]
    ) {
        guard connected else { return }
        guard journalFailure == nil else { return hearWithoutJournal(message, into: &effects) }
        let held = durable.position
        let old = (position.generation, position.term) < (held.generation, held.term)
        guard !old else {
            effects.append(.notice(.stalePosition(received: position, persisted: held)))
            effects.append(.reconnect(reason: "position \(position) is below \(held)"))
            return
        }
        switch message {
        case .bootGrant(let grant): take(grant, at: position, now: now, into: &effects)
        case .bootRefusal(let code, let reason): refuse(code: code, reason: reason, into: &effects)
        case .bindingStop(let grant, let code, let reason):
            stop(grant, code: code, reason: reason, at: position, now: now, into: &effects)
        case .stateUpdate(let update): take(update, at: position, now: now, into: &effects)
        case .leaseAnswer(let answer): take(answer, at: now, into: &effects)
        case .reportAck(let sequence, let aggregate): acknowledgeReports(sequence, aggregate, into: &effects)
        }
    }

    /// Nothing can be written down, so nothing is taken in. Yet the host lives, and must be known to: a silent one is not
    /// told apart from a dead one, and whoever has its name meanwhile is taken for its reboot.
    private mutating func hearWithoutJournal(_ message: CoordinatorMessage, into effects: inout [AgentEffect]) {
        switch message {
        case .bootGrant(let grant): guard isOurs(grant) else { return }
        case .bindingStop(let grant, let code, _): guard isOurs(grant), code != "journal-behind" else { return }
        case .bootRefusal, .stateUpdate, .leaseAnswer, .reportAck: return
        }
        guard !streamGranted else { return }
        streamGranted = true
        sentReports = durable.reported
        tellJournalFailure(into: &effects)
        flushReports(into: &effects)
    }

    mutating func tellJournalFailure(into effects: inout [AgentEffect]) {
        guard streamGranted else { return }
        effects.append(.send(.hostReport(dated(latestHostReport ?? HostReport()))))
    }

    /// The coordinator has heard what was said here at `spoken`. How long a word of its own was under way nobody knows; what
    /// it answers is no older than the question, so a lease of time that counts from the question ends before the
    /// coordinator, which counts from having heard it, goes on without this host.
    ///
    /// A restart must not make the silence look shorter, so the last contact is journalled now and then.
    private mutating func hear(of spoken: Instant?, into effects: inout [AgentEffect]) {
        guard let spoken, lastContact.map({ spoken > $0 }) ?? true else { return }
        lastContact = spoken
        guard let grant = durable.grant, isOurs(grant) else { return }
        let due = durable.contact.map { $0.boot != identity.boot || spoken - $0.at > grant.bindUntil / 64 } ?? true
        if due { journal([.contact(identity.boot, spoken)], into: &effects) }
    }

    /// A grant, or a stop in its place, answers the hello of its stream.
    mutating func hearAnswer(at now: Instant, into effects: inout [AgentEffect]) -> Instant {
        hear(of: helloSentAt, into: &effects)
        return lastContact ?? now
    }

    func isOurs(_ grant: BootGrant) -> Bool { grant.identity == identity }

    /// What is written down before a grant, or a stop in its place.
    ///
    /// A book that was restored from a backup has forgotten what hosts reported since, and takes an old copy of a journal
    /// for the newest. Only a book that knew this process before vouches for what it found; under another one everything
    /// that may have been in use since rests once.
    mutating func restUnderRestoredBook(
        _ grant: BootGrant, at position: Position, now: Instant
    ) -> [JournalRecord] {
        // A first book has forgotten nothing, and neither has a journal that was empty.
        guard !isJoined, foundSequence > 0, position.generation > max(durable.position.generation, 1) else { return [] }
        holdUntil = max(holdUntil ?? now, now + grant.cooldown)
        return durable.resting ? [] : [.resting(true)]
    }

    private mutating func take(
        _ grant: BootGrant, at position: Position, now: Instant, into effects: inout [AgentEffect]
    ) {
        guard isOurs(grant) else {
            effects.append(.notice(.refused(code: "foreign-grant", reason: "the grant names \(grant.identity)")))
            effects.append(.reconnect(reason: "grant for another identity"))
            return
        }
        // The position is persisted with state updates only: a grant may be newer than the state that the host has.
        let heard = hearAnswer(at: now, into: &effects)
        let rest = restUnderRestoredBook(grant, at: position, now: now)
        journal(rest + [.grant(durable.position, grant, contact: heard)], into: &effects) { _ in .granted(grant) }
    }

    /// - Parameter mayBind: false for a stop: everything but binding is as with a grant.
    mutating func grantJournaled(
        _ grant: BootGrant, mayBind: Bool, at now: Instant, into effects: inout [AgentEffect]
    ) {
        isJoined = true
        if mayBind { effects.append(.notice(.granted(grant.identity.boot))) }
        effects.append(.ensureOverlay(grant, deletes: deletionScope))
        startWindow(at: now)
        desire(into: &effects)
        retryReleases(at: now, into: &effects)
        guard connected else { return }
        streamGranted = true
        sentReports = durable.reported
        flushReports(into: &effects)
        for batch in backlog.batches { effects.append(.send(.aggregates(batch))) }
        for application in asks.keys.sorted() { sendAsk(application, into: &effects) }
        if let report = latestHostReport { effects.append(.send(.hostReport(withPaths(report)))) }
        if mayBind { deleteUnknownPorts(into: &effects) }
        repeatArrivals(into: &effects)
        acknowledge(into: &effects)
        serveWaiting(at: now, into: &effects)
        // The snapshot may have come before the grant was durable: its marks still want their answers.
        for lease in durable.leases.values.filter(\.order.marked).sorted(by: { $0.order.block < $1.order.block }) {
            evaluateDrain(of: lease.order.block, isOrder: true, at: now, into: &effects)
        }
    }

    private mutating func refuse(code: String, reason: String, into effects: inout [AgentEffect]) {
        effects.append(.notice(.refused(code: code, reason: reason)))
        if durable.refusal != Refusal(code: code, reason: reason) {
            journal([.refused(code: code, reason: reason)], into: &effects)
        }
        failWaiting(because: reason, into: &effects)
        // The reason may pass (a replaced machine that still reported): the next stream asks again.
        effects.append(.reconnect(reason: "refused: \(code)"))
    }

    private mutating func take(
        _ update: StateUpdate, at position: Position, now: Instant, into effects: inout [AgentEffect]
    ) {
        guard position >= durable.position else {
            effects.append(.notice(.stalePosition(received: position, persisted: durable.position)))
            effects.append(.reconnect(reason: "state at \(position) is below \(durable.position)"))
            return
        }
        if !update.isSnapshot {
            guard let revision = streamRevision, revision == update.baseRevision else {
                streamRevision = nil
                let last = streamRevision.map(String.init) ?? "no snapshot"
                effects.append(.reconnect(reason: "update builds on \(update.baseRevision), held: \(last)"))
                return
            }
        }
        streamRevision = position.revision
        if update.operations.contains(.switchEndpoint(configuration.vtep)) { switchedAt = position }
        withdrawing = update.withdraw || withdrawing && !update.isSnapshot
        let known = journal([.update(position, update)], into: &effects) { .update(position, $0) }
        if update.withdraw { withdrawAll(at: now, into: &effects) }
        for sni in known.flipped { depart(sni, at: now, into: &effects) }
        adoptCovered(at: now, into: &effects)
        serveWaiting(fresh: Set(known.added), at: now, into: &effects)
        for block in known.marked { evaluateDrain(of: block, isOrder: true, at: now, into: &effects) }
    }

    /// The kernel carries the update, and with it, applied in order, those before, unless one of them waits.
    mutating func carried(_ position: Position, into effects: inout [AgentEffect]) {
        guard applyAgainAt == nil, retriesPending == 0 else { return }
        applied = max(applied, position)
        acknowledge(into: &effects)
    }

    mutating func acknowledge(into effects: inout [AgentEffect]) {
        if let at = switchedAt, applied >= at { (former, switchedAt) = (nil, nil) }
        guard streamGranted, streamRevision != nil, durable.orphans == 0, applied > .zero else { return }
        guard !withdrawing || unknownPorts.isEmpty && durable.bindings.isEmpty else { return }
        acknowledged = applied
        effects.append(.send(.stateAck(applied)))
    }

    private mutating func acknowledgeReports(
        _ sequence: UInt64, _ aggregate: UInt64, into effects: inout [AgentEffect]
    ) {
        hear(of: backlog.batches.last { $0.sequence <= aggregate }?.endedAt, into: &effects)
        acknowledgeAggregates(upTo: aggregate, into: &effects)
        let upTo = min(sequence, durable.sequence)
        if upTo > max(durable.reported, reportedNotJournaled ?? 0) { reportedNotJournaled = upTo }
    }

    /// Sends the binding events that are durable here and were not sent on this stream.
    mutating func flushReports(into effects: inout [AgentEffect]) {
        guard streamGranted else { return }
        let start = durable.unreported.lastIndex { $0.sequence <= sentReports }.map { $0 + 1 } ?? 0
        let events = durable.unreported[start...].prefix { $0.sequence <= durableSequence }
        guard let last = events.last else { return }
        sentReports = last.sequence
        effects.append(
            .send(.bindingReport(BindingReport(journalSequence: last.sequence, events: events.map(\.binding)))))
    }
}
