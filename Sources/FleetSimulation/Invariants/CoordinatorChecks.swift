import CoordinatorCore
import Dataplane
import FleetProtocol
import NetworkTypes
import SNISpace

/// Invariants 2, 3, 4, 5 and 8 as far as the coordinator's events and messages show them, at the moment of the decision.
extension World {
    // MARK: Events

    mutating func observe(_ events: [CoordinatorEvent], by process: Int) {
        // What a deposed process decides never becomes true: the store refuses it.
        guard process == leader else { return }
        for event in events where event.concernsLedger {
            if log.isOn { trace("c\(process)", "event", event.summary) }
            checkBefore(event)
            if let wrong = checks.ledger.apply(event, at: now) { violate(wrong.invariant, wrong.text) }
            checkAfter(event)
        }
    }

    private mutating func checkBefore(_ event: CoordinatorEvent) {
        switch event {
        case .host(let host, .debtIncurred(let block)): return checkDebt(block, of: host)
        case .host(let host, .fenced): return checkFence(of: host)
        case .host(let host, .frozen): return noteFrozenEnd(host)
        case .migration(let event): return checkBefore(event)
        default: break
        }
        guard case .book(let event) = event else { return }
        switch event {
        case .marked(let block, _, let reason, true) where block.size > 1 && reason != "by hand":
            violate(8, "\(block) is taken by force, and no operator asked for it: \(reason)")
        case .marked(let block, _, let reason, true) where block.size == 1: checkForce(on: block, reason: reason)
        case .subleased(let lease): checkSublease(lease)
        case .fenced(let block, _, _): checkTaken(block)
        case .drained(let block, _): checkDrainEvent(block)
        case .removed(let block): checkRemovalEvent(block)
        case .freed(let block):
            probes.hit(.freed)
            guard let lease = checks.ledger.leases[block] else { return }
            if block.size == 1 { checkHomecoming(lease) }
            let rested = now - lease.since
            let wanted = plan.coordinator.quarantine.inNanoseconds
            if rested < wanted {
                violate(
                    4, "\(block) is freed \(seconds(rested)) s after its removal, quarantine is \(seconds(wanted)) s")
            }
            // A cooldown is a rest within a lease. Who leases the block next relies on the quarantine.
            for sni in block.first.rawValue..<block.range.end {
                for host in hosts.indices { checks.lastUse[host][sni] = nil }
            }
        case .superseded(let block): checkSuperseded(block)
        case .leased(let lease): checkReuse(lease)
        case .reservationEnded(_, let reason): if reason.hasSuffix("expired") { probes.hit(.reservationExpired) }
        case .staged(let block): checkStaging(block)
        default: break
        }
    }

    /// The owner must have written down that it is drained, at the very epoch of the mark.
    private mutating func checkDrainEvent(_ block: SNIBlock) {
        guard let lease = checks.ledger.leases[block] else { return }
        if hosts.contains(where: { $0.name == lease.host && $0.agent?.stream ?? -1 < 0 }) {
            probes.hit(.removalWaitedForOwner)
        }
        let isPromised = hosts.contains {
            guard $0.name == lease.host, let record = checks.drained[$0.index][block] else { return false }
            // Epochs start over with an old book; who drained a block at a higher one has bound nothing there since.
            return record.epoch == lease.epoch || record.isOfOldGeneration && record.epoch > lease.epoch
        }
        if !isPromised {
            violate(4, "\(block) counts as drained at epoch \(lease.epoch), host \(lease.host) never wrote that")
        }
    }

    /// Its leases are taken: it is off, or nobody that can be reached sends to it and it can't bind any more.
    private mutating func checkFence(of name: HostID) {
        guard let fence = checks.ledger.fences[name],
            let fenced = hosts.first(where: { $0.name == name && $0.original == nil })
        else { return violate(4, "\(name) is fenced, and nothing began it") }
        probes.hit(.fenced)
        noteFencedEnd(name)
        guard fence.proof != .poweredOff else { return }
        for host in hosts where host.isUp && host.name != name && !isExcused(host.index) {
            guard let route = host.kernel.remotes.values.first(where: { $0.vtep == fence.vtep }) else { continue }
            violate(4, "\(name) counts as cut off, \(host.name) still routes \(route.block) to it")
        }
        let silence = now - checks.contacts[fenced.index].at
        if fence.proof == .cutOff, silence < plan.coordinator.bindUntil.inNanoseconds {
            violate(4, "\(name) counts as cut off \(seconds(silence)) s after its last word, and may still bind")
        }
    }

    /// Only who cannot be reached may be gone on without.
    private mutating func checkDebt(_ block: SNIBlock, of name: HostID) {
        guard let host = hosts.first(where: { $0.name == name && $0.original == nil }) else { return }
        probes.hit(.debtIncurred)
        if !isExcused(host.index) { violate(4, "\(block) goes on without \(name), which can be reached") }
    }

    /// The owner's kernel has let go, and that of every peer that could be reached.
    private mutating func checkRemovalEvent(_ block: SNIBlock) {
        probes.hit(.quarantined)
        guard let lease = checks.ledger.leases[block] else { return }
        for host in hosts where host.isUp && host.original == nil {
            if host.name == lease.host {
                if lease.isFenced { continue }
                // Without its journal it keeps what may belong to a VM that runs: an entry of the VNI filter, which
                // receives for nobody once no port is left.
                if checks.views[host.index].isRecovering || checks.blind.contains(host.index) {
                    let ports = block.identifiers.filter { host.kernel.links[$0.rawValue] != nil }
                    if !ports.isEmpty {
                        violate(4, "\(block) counts as removed, \(host.name) has ports of it: \(ports)")
                    }
                } else if host.kernel.locals[block] != nil {
                    violate(4, "\(block) counts as removed, its owner \(host.name) still carries it")
                }
            } else if host.kernel.remotes[block] != nil, !isExcused(host.index) {
                violate(4, "\(block) counts as removed, \(host.name) can be reached and still routes it")
            } else if host.kernel.remotes[block] != nil {
                probes.hit(.peerExcused)
            }
        }
    }

    /// A lease ends without its quarantine only for somebody who holds a later one that the book did not know.
    private mutating func checkSuperseded(_ block: SNIBlock) {
        probes.hit(.leaseSuperseded)
        guard !wasRestored, !hosts.contains(where: \.hasLostJournal) else { return }
        violate(4, "\(block) is superseded, and no book and no journal was ever lost")
    }

    private mutating func checkReuse(_ lease: BlockLease) {
        if let former = checks.ledger.formerHost(of: lease.block), former != lease.host {
            probes.hit(.reusedByAnotherHost)
        }
        for sni in lease.block.first.rawValue..<lease.block.range.end {
            guard let holder = checks.holders[sni]?.first,
                checks.ledger.fences[hosts[holder].name]?.isComplete != true,
                // After a restore the book learns what this host has held all the time, and what left it since.
                !(wasRestored && (hosts[holder].name == lease.host || checks.views[holder].hasSublease(of: sni)))
            else { continue }
            violate(4, "\(lease.block) is leased to \(lease.host) while host \(holder) carries a port of \(sni)")
        }
    }

    /// Staged means that every peer that can be reached and carries the application routes the block.
    private mutating func checkStaging(_ block: SNIBlock) {
        // Nobody routes to a host that is being cut off, and acknowledgements of that time still count.
        guard let lease = checks.ledger.leases[block], !checks.ledger.everFenced.contains(lease.host) else { return }
        for host in hosts where host.isUp && host.original == nil && host.name != lease.host {
            let carries = checks.ledger.leases.values.contains {
                $0.host == host.name && $0.application == lease.application && $0.state.isActive
                    && host.kernel.locals[$0.block] != nil
            }
            guard carries, !isExcused(host.index), host.agent?.identity == checks.contacts[host.index].identity,
                host.kernel.remotes[block] == nil
            else { continue }
            violate(7, "\(block) counts as staged, \(host.name) can be reached and does not route it")
        }
    }

    private mutating func checkAfter(_ event: CoordinatorEvent) {
        switch event {
        case .applicationCreated, .applicationUpdated: checks.befriend()
        case .applicationDeleted: probes.hit(.applicationDeleted)
        default: break
        }
    }

    // MARK: Contact

    /// Another machine is who the coordinator hears under this name, and this one is refused.
    private func isHeardInItsPlace(_ host: Int) -> Bool {
        guard let heard = checks.contacts[host].identity, heard.boot != hosts[host].boot else { return false }
        return hosts.contains { $0.index != host && $0.name == hosts[host].name && $0.boot == heard.boot }
    }

    /// Handshakes may go on without this host.
    func isExcused(_ host: Int) -> Bool {
        let contact = checks.contacts[host]
        if isHeardInItsPlace(host) { return true }
        if checks.ledger.debtors.contains(hosts[host].name) { return true }
        if checks.ledger.fences[hosts[host].name]?.isComplete == true { return true }
        return contact.isImpaired || contact.debt != nil
            || now - contact.at >= plan.coordinator.unreachableAfter.inNanoseconds
    }

    mutating func observe(received message: AgentMessage, on stream: Int, by process: Int) {
        guard process == leader else { return }
        let host = hosts[streams[stream].host].nameIndex
        guard checks.contacts[host].stream == stream, checks.contacts[host].isOpen else { return }
        if case .hello = message { return }
        // Deadlines come before messages: a host that was silent for too long has been given up by now.
        guard now - checks.contacts[host].at < plan.coordinator.unreachableAfter.inNanoseconds else { return }
        checks.contacts[host].at = now
        if case .hostReport(let report) = message, report.journalFailure != nil {
            checks.contacts[host].isImpaired = true
            probes.hit(.hostImpaired)
        }
        if case .stateAck(let position) = message, let debt = checks.contacts[host].debt, position.revision >= debt,
            position.term == checks.ledger.term
        {
            checks.contacts[host].debt = nil
        }
    }

    mutating func observe(decided effect: CoordinatorEffect, by process: Int) {
        guard process == leader else { return }
        switch effect {
        case .send(let stream, _, .bootGrant(let grant)): granted(grant.identity, on: Int(stream.rawValue))
        case .send(let stream, _, .bindingStop(let grant, _, _)): granted(grant.identity, on: Int(stream.rawValue))
        case .send(let stream, let position, .stateUpdate(let update)) where update.isSnapshot:
            let host = hosts[streams[Int(stream.rawValue)].host].nameIndex
            if checks.contacts[host].debt == .max { checks.contacts[host].debt = position.revision }
        default: break
        }
    }

    /// One live boot per host id.
    private mutating func granted(_ identity: AgentIdentity, on stream: Int) {
        let host = hosts[streams[stream].host].nameIndex
        let contact = checks.contacts[host]
        // A grant that is given again after a stop answers no word of the host.
        if contact.stream == stream, contact.isOpen, contact.identity == identity { return }
        let silence = now - contact.at
        let limit = plan.coordinator.unreachableAfter.inNanoseconds
        if let known = contact.identity, known != identity, contact.isOpen, silence < limit {
            violate(2, "host \(identity.host) has two live boots: \(known.boot) spoke \(seconds(silence)) s ago")
        }
        let debt: UInt64? = silence >= limit || contact.debt != nil || contact.isImpaired ? .max : nil
        checks.contacts[host] = Checker.Contact(
            identity: identity, stream: stream, isOpen: true, at: now, debt: debt)
    }

    mutating func observeClosed(_ stream: Int) {
        let host = hosts[streams[stream].host].nameIndex
        if checks.contacts[host].stream == stream { checks.contacts[host].isOpen = false }
    }

    // MARK: Takeover

    /// What the store says is what is true; every length of time begins anew.
    mutating func observeTakeover() {
        checks.ledger = Ledger(of: plan.coordinator)
        for event in store.history {
            if let wrong = checks.ledger.apply(event, at: now) {
                violate(wrong.invariant, "the store itself says: \(wrong.text)")
            }
        }
        checks.ledger.restartTimes(at: now)
        if checks.ledger.migrations.values.contains(where: { $0.phase == .preparing }) { probes.hit(.takeoverMidway) }
        for host in checks.contacts.indices {
            checks.contacts[host].at = now
            checks.contacts[host].isOpen = false
            checks.contacts[host].debt = nil
            checks.contacts[host].isImpaired = false
        }
        for promise in promises { checkPromise(promise) }
    }

    /// A backup knows nothing of what was promised after it.
    mutating func observeRestore() {
        probes.hit(.storeRestored)
        wasRestored = true
        checks.forgotten.merge(checks.ledger.migrations) { $1 }
        promises = []
        for index in applications.indices { applications[index].isConfirmed = false }
    }

    /// An acknowledged range is in the store, or its end is.
    private mutating func checkPromise(_ promise: RangePromise) {
        guard !checks.ledger.reservations.contains(promise.reservation) else { return }
        let isKnown = store.history.contains { event in
            if case .book(.reserved(let made)) = event { made.id == promise.reservation } else { false }
        }
        if !isKnown { violate(3, "AllocateRange \(promise.key) of \(promise.range) was answered and did not survive") }
    }

    mutating func observe(granted grant: RangeGrant, to application: ApplicationID) {
        checkPromise(
            RangePromise(
                application: application, key: "just answered", reservation: grant.reservation.id, range: grant.range))
    }
}
