import FleetProtocol
import NetworkTypes
import SNISpace

/// Fencing: the only way to the leases of a host that does not answer. Silence alone never ends a lease.
///
/// | state | event | next |
/// |---|---|---|
/// | silent | fence, proven off | fenced |
/// | silent | fence without a proof | fencing: every other host drops the endpoint |
/// | fencing | every reachable host acknowledged; `bind_until` passed (or is assumed) | fenced |
/// | fencing | the host says hello | as before the fence; its endpoint is admitted again |
/// | fenced | (at once) | leases drain without its word, epoch + 1; peers remove them; quarantine; free |
/// | fenced | hello of the fenced installation | withdrawing: an empty snapshot that takes ports away, no grant |
/// | withdrawing | acknowledged: no lease, no binding, no route is left | joined afresh, endpoint admitted |
/// | withdrawing | stream ends | fenced |
/// | fenced | hello of another installation | joined; the fenced one gets no grant any more |
///
/// Sub-leases that others hold inside its blocks are theirs and stay; its own sub-leases are taken with its blocks.
/// Nothing that a fenced host said or says counts, since its stream is gone and its epochs are old.
extension CoordinatorMachine {
    /// Nobody waits for the owner's word about this lease.
    func isFenced(_ lease: BlockLease) -> Bool {
        lease.fenced || state.safety[lease.host]?.fencedUpTo.map { lease.epoch <= $0 } ?? false
    }

    mutating func fence(_ host: HostID, proof: FenceProof, reason: String) throws(CoordinatorError) -> Reply {
        guard let record = state.hosts[host] else { throw .unknownHost(host) }
        try checkAudit(reason)
        guard live.hosts[host]?.stream == nil else {
            throw .invalid(field: "host", why: "\(host) reports; reclaim what it leases, or stop its agent first")
        }
        if let fence = state.safety[host]?.fence, fence.isComplete { return .host(try info(host)) }
        let fence = HostFence(
            incarnation: record.incarnation, vtep: record.vtep, former: record.former, proof: proof, reason: reason)
        if state.safety[host]?.fence != fence { commit(.host(host, .fenceStarted(fence))) }
        notice(.warning, "fence", "host \(host) is fenced (\(proof.rawValue)): \(reason)")
        if proof == .poweredOff {
            completeFence(host)
        } else {
            awaitDrops(of: host)
        }
        live.dirtyHosts.formUnion(live.hosts.keys)
        return .host(try info(host))
    }

    func checkAudit(_ reason: String) throws(CoordinatorError) {
        guard !reason.isEmpty else { throw .invalid(field: "reason", why: "must say why, for the audit") }
        guard reason.count <= 256 else { throw .invalid(field: "reason", why: "must have at most 256 characters") }
    }

    /// From its start: also after a restart of the coordinator, which heard none of the acknowledgements.
    mutating func awaitDrops(of host: HostID) {
        guard let fence = state.safety[host]?.fence, !fence.isComplete else { return }
        var owed: [HostID: UInt64] = [:]
        for (other, known) in live.hosts where other != host && known.reach.takesPart { owed[other] = .max }
        live.fences[host] = owed
        // What was under way when its stream ended may have been its last word from us.
        let lastWord = live.hosts[host].map { max($0.contact, $0.streamEnded ?? $0.contact) } ?? now
        let silent = lastWord + configuration.bindUntil + configuration.unreachableAfter
        if fence.proof == .cutOff, silent > now { live.timers.arm(.fence(host), at: silent) }
        advanceFence(host)
    }

    mutating func fenceTimePassed(_ host: HostID) { advanceFence(host) }

    /// `peer` reached a revision, or is not waited for any more (nil).
    mutating func advanceFences(_ peer: HostID, at revision: UInt64?) {
        for (host, owed) in live.fences.sorted(by: { $0.key < $1.key }) {
            guard let needed = owed[peer], revision.map({ needed <= $0 }) ?? true else { continue }
            live.fences[host]?[peer] = nil
            advanceFence(host)
        }
    }

    private mutating func advanceFence(_ host: HostID) {
        guard live.fences[host]?.isEmpty ?? false, live.timers.deadline(.fence(host)) == nil else { return }
        completeFence(host)
    }

    /// Takes every lease of the host. Its endpoint stays dropped until it, or another installation, joins.
    mutating func completeFence(_ host: HostID) {
        guard let fence = state.safety[host]?.fence, !fence.isComplete else { return }
        live.fences[host] = nil
        live.timers.cancel(.fence(host))
        live.timers.cancel(.silence(host))
        commit(.host(host, .fenced(upTo: state.book.epoch)))
        live.hosts[host]?.reach = .unreachable
        live.hosts[host]?.inventory = []
        excuse(host)
        excuseMoves(host)
        for lease in held(by: host) where lease.isActive {
            try? book { (book) throws(BookError) in try book.fence(lease.block, reason: "fenced: \(fence.reason)") }
        }
        abortMigrations(from: host)
        if state.bindings.byHost[host] != nil {
            let sequence = state.hosts[host]?.journalSequence ?? 0
            commit(.bindings(host, journalSequence: sequence, records: [], whole: true))
        }
        forgetUnused(host)
        hearRestored(host)
        notice(.warning, "host-fenced", "host \(host) is cut off; its blocks drain without it")
    }

    // MARK: Return

    /// A hello that passed: what it means for a fence of its name.
    mutating func passFence(_ hello: Hello, from identity: AgentIdentity) {
        let id = identity.host
        guard let fence = state.safety[id]?.fence else { return }
        // It returned after the backup was taken: what it holds now was given to it since.
        let isOutdated =
            state.restoration.awaited.contains(id)
            && hello.leases.contains { $0.epoch > state.safety[id]?.fencedUpTo ?? $0.epoch }
        if !fence.isComplete {
            live.fences[id] = nil
            live.timers.cancel(.fence(id))
            commit(.host(id, .fenceCancelled))
            notice(.warning, "fence-cancelled", "host \(id) is back before it was cut off")
        } else if isOutdated {
            commit(.host(id, .returned))
        } else if fence.incarnation != identity.incarnation {
            // A machine without the past of the fenced one has nothing to withdraw.
            commit(.host(id, .replaced(by: identity.incarnation)))
            commit(.host(id, .returned))
        } else {
            return
        }
        live.dirtyHosts.formUnion(live.hosts.keys)
    }

    mutating func welcomeBack(_ identity: AgentIdentity, on stream: StreamID) {
        let reason = state.safety[identity.host]?.fence?.reason ?? ""
        turn.early.append(
            .send(
                stream, position,
                .bindingStop(
                    grant(for: identity), code: "fenced", reason: "fenced: \(reason); what is held here is withdrawn")))
        notice(.warning, "host-withdraws", "host \(identity.host) is back and gives up what it held when it was fenced")
    }

    /// Nothing that a withdrawing host says counts, except that it is done.
    mutating func hearWithdrawing(_ message: AgentMessage, from identity: AgentIdentity) {
        let id = identity.host
        let current = position
        guard case .stateAck(let reached) = message, reached.generation == current.generation,
            reached.term == current.term, let known = live.hosts[id], let needed = known.withdrawnAt,
            reached.revision >= needed, reached.revision <= known.sentRevision
        else { return }
        live.hosts[id]?.withdrawnAt = nil
        live.hosts[id]?.repaidAt = nil
        live.hosts[id]?.blindUntil = nil
        live.hosts[id]?.acknowledged = reached
        live.hosts[id]?.reach = .connected
        commit(.host(id, .returned))
        if state.safety[id]?.debt != nil { commit(.host(id, .debtRepaid)) }
        live.snapshots.insert(id)
        live.dirtyHosts.formUnion(live.hosts.keys)
        hearRestored(id)
        notice(.info, "host-returned", "host \(id) gave up all that it held and joins afresh")
        regrant(id)
    }
}
