@_spi(Simulation) import AgentCore
import Dataplane
import DequeModule
import FleetProtocol
@_spi(Simulation) import NetworkTypes

/// The shell around an agent's machine, with the contracts of the `Agent` module: effects start in their order,
/// outcomes come back in theirs, nothing is awaited, and a process that dies takes all its queues along.
extension World {
    mutating func feed(_ input: AgentInput, to host: Int) {
        let instant = clocks.boot(of: host, at: now)
        guard let effects = hosts[host].agent?.machine.handle(input, at: instant) else { return }
        for effect in effects { perform(effect, on: host) }
    }

    private mutating func perform(_ effect: AgentEffect, on host: Int) {
        switch effect {
        case .journal(let records, let first, let token):
            observe(records, first: first, on: host)
            submit(.records(records, first: first, token), sequence: first + UInt64(records.count) - 1, on: host)
        case .checkpoint(let record, let sequence):
            submit(.checkpoint(record, sequence: sequence), sequence: sequence, on: host)
        case .dataplane(let changes, let token): putWork(.apply(changes, token), on: host)
        case .ensureOverlay(_, let deletes): putWork(.ensureOverlay(deletes: deletes), on: host)
        case .createPort(let order, let token): putWork(.createPort(order, token), on: host)
        case .movePort(let move, let token): putWork(.movePort(move, token), on: host)
        case .deletePort(let removal, let token):
            hosts[host].agent?.removals.append((removal, token))
            startRemoving(on: host)
        case .send(let message): send(message, from: host)
        case .reconnect(let reason):
            trace("h\(host)", "reconnect", reason)
            if reason.hasPrefix("update builds on") { probes.hit(.updateGap) }
            hangUp(host)
        case .reply(let request, let result): answer(request, result, on: host)
        // A killed agent of the simulator loses its telemetry: a gap more, which is what gaps are for.
        case .keep: break
        case .echo(let targets, let round): echo(targets, round, from: host)
        case .notice(let notice): note(notice, on: host)
        }
    }

    // MARK: Start and end

    mutating func startAgent(on host: Int) {
        guard hosts[host].isUp, hosts[host].agent == nil else { return }
        hosts[host].journal.isFull = hosts[host].journal.isFull && phase == .safety
        let isNew = openJournal(on: host)
        guard let incarnation = hosts[host].journal.incarnation else { return }
        hosts[host].journalFailed = false
        hosts[host].number += 1
        let identity = AgentIdentity(host: hosts[host].name, incarnation: incarnation, boot: hosts[host].boot)
        var machine = AgentMachine(
            configuration: AgentCoreConfiguration(
                fingerprint: hosts[host].fingerprint, vtep: hosts[host].vtep, former: former(of: host),
                underlayMTU: 1500,
                version: "sim",
                attachTimeout: .nanoseconds(plan.clientPatience), recordsPerCheckpoint: plan.recordsPerCheckpoint,
                echoInterval: plan.echoInterval),
            identity: identity, randomSeed: identityDice.next())
        machine.planted = planted
        let ports = hosts[host].kernel.links.sorted { $0.key < $1.key }.map { sni, link in
            AdoptedPort(
                sni: SessionNetworkID(unchecked: sni), index: link.index, interface: link.interface,
                application: link.application, mac: link.mac)
        }
        if hosts[host].journal.good != nil { probes.hit(.recoveryEntered) }
        hosts[host].journal.salvage(with: ports)
        let entries = hosts[host].journal.entries
        if case .checkpoint? = entries.first?.record { probes.hit(.checkpointRestored) }
        observeStart(entries, identity, on: host)
        hosts[host].journal.submitted = hosts[host].journal.durableSequence
        trace(
            "h\(host)", "start",
            "\(entries.count) records to \(hosts[host].journal.durableSequence), \(ports.count) ports")
        let lost = isNew && !ports.isEmpty
        if lost { probes.hit(.recoveryEntered) }
        let effects = machine.recover(
            entries, kernelPorts: ports, journalLost: lost, at: clocks.boot(of: host, at: now))
        let number = hosts[host].number
        hosts[host].agent = AgentProcess(machine: machine, identity: identity, number: number)
        for effect in effects { perform(effect, on: host) }
        if hosts[host].isRestored { detachGone(on: host) }
        queue.put(.dial, host, ticket: number, at: now + networkDice.time(0, 20 * Time.millisecond))
        queue.put(.agentTick, host, ticket: number, at: now + plan.tickMax)
        queue.put(.audit, host, ticket: number, at: now + plan.auditInterval)
    }

    /// VMs that were stopped while another journal was in use are detached again.
    mutating func detachGone(on host: Int) {
        hosts[host].isRestored = false
        let running = Set(slots.filter { $0.host == host && $0.phase != .idle }.map(\.interface))
            .union(travellers(at: host))
        let bound = checks.views[host].bindings.values.filter { !$0.isCooling }.map(\.interface).sorted()
        hosts[host].owedDetaches = bound.filter { !running.contains($0) }
    }

    /// A journal of another machine is set aside; without one a new installation begins.
    ///
    /// - Returns: whether the journal was made just now.
    private mutating func openJournal(on host: Int) -> Bool {
        if hosts[host].journal.incarnation != nil, hosts[host].journal.fingerprint != hosts[host].fingerprint {
            probes.hit(.journalForeign)
            hosts[host].journal = JournalDisk()
        }
        guard hosts[host].journal.incarnation == nil else { return false }
        hosts[host].journal.incarnation = Incarnation(identityDice.uuid())
        hosts[host].journal.fingerprint = hosts[host].fingerprint
        return true
    }

    /// SIGKILL. A prefix of what was being written to the journal may have reached it.
    mutating func killAgent(on host: Int) {
        guard hosts[host].agent != nil else { return }
        trace("h\(host)", "killed", "")
        dropStream(of: host)
        let calls = hosts[host].agent?.calls ?? [:]
        hosts[host].agent = nil
        let underway = hosts[host].journal.underway
        let submitted = hosts[host].journal.submitted
        let lost = hosts[host].journal.tear(keeping: diskDice.below(underway + 1))
        if lost > 0 { probes.hit(.journalTailLost) }
        if lost > 0, lost < underway { probes.hit(.journalTorn) }
        observeLost(after: hosts[host].journal.durableSequence, upTo: submitted, on: host)
        for (_, slot) in calls.sorted(by: { $0.key < $1.key }) { callFailed(slot) }
    }

    mutating func agentTick(on host: Int) {
        feed(.tick, to: host)
        if let interface = hosts[host].owedDetaches.popLast() {
            checks.detachAsked(interface, on: host)
            hosts[host].agent?.lastCall += 1
            feed(.detach(RequestID(hosts[host].agent?.lastCall ?? 0), interface), to: host)
        }
        let instant = clocks.boot(of: host, at: now)
        guard let agent = hosts[host].agent else { return }
        var wait = plan.tickMax
        if let due = agent.machine.nextDeadline {
            wait = min(wait, max(5 * Time.millisecond, due.nanoseconds - instant.nanoseconds))
        }
        queue.put(.agentTick, host, ticket: agent.number, at: now + wait)
    }

    // MARK: Outcomes

    mutating func putOutcome(_ input: AgentInput, on host: Int) {
        guard let number = hosts[host].agent?.number else { return }
        hosts[host].agent?.outcomes.append(input)
        queue.put(.outcome, host, ticket: number, at: now + kernelDice.time(5, 60) * Time.microsecond)
    }

    mutating func takeOutcome(on host: Int) {
        guard let input = hosts[host].agent?.outcomes.popFirst() else { return }
        feed(input, to: host)
    }

    // MARK: Journal

    private mutating func submit(_ item: JournalDisk.Item, sequence: UInt64, on host: Int) {
        guard !hosts[host].journal.isBroken else {
            observeLost(after: hosts[host].journal.durableSequence, upTo: sequence, on: host)
            return putOutcome(.journalFailed(reason: "no space left on device"), on: host)
        }
        let before = hosts[host].journal.submitted
        let first: UInt64
        switch item {
        case .records(_, let from, _): first = from
        case .checkpoint(_, let at): first = at
        }
        guard first == before + 1 else {
            return violate(0, "journal of host \(host) is at \(before), a record came as \(first)")
        }
        hosts[host].journal.submitted = sequence
        hosts[host].journal.queued.append(item)
        // Planted: the caller is told before the disk was.
        if planted.contains(.loseJournalTail), case .records(_, _, let token) = item {
            putOutcome(.journaled(token), on: host)
        }
        startSync(on: host)
    }

    private mutating func startSync(on host: Int) {
        guard !hosts[host].journal.isSyncing, !hosts[host].journal.queued.isEmpty,
            let number = hosts[host].agent?.number
        else { return }
        hosts[host].journal.isSyncing = true
        hosts[host].journal.syncing = hosts[host].journal.queued
        hosts[host].journal.queued = []
        let time = hosts[host].syncTime
        queue.put(.journalSync, host, ticket: number, at: now + diskDice.time(time / 2, time * 2))
    }

    mutating func journalSynced(on host: Int) {
        guard hosts[host].journal.isSyncing else { return }
        let items = hosts[host].journal.syncing
        hosts[host].journal.syncing = []
        hosts[host].journal.isSyncing = false
        if hosts[host].journal.isFull {
            probes.hit(.journalFull)
            hosts[host].journalFailed = true
            hosts[host].journal.isBroken = true
            hosts[host].journal.queued = []
            observeLost(
                after: hosts[host].journal.durableSequence, upTo: hosts[host].journal.submitted, on: host)
            hosts[host].journal.submitted = hosts[host].journal.durableSequence
            return putOutcome(.journalFailed(reason: "no space left on device"), on: host)
        }
        for token in hosts[host].journal.harden(items) where !planted.contains(.loseJournalTail) {
            putOutcome(.journaled(token), on: host)
        }
        startSync(on: host)
    }
}
