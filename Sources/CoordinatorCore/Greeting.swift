import FleetProtocol
@_spi(Simulation) import NetworkTypes
import SNISpace

/// Who was refused, for an operator who knows better.
struct Candidate: Hashable, Sendable {
    var claimant: Claimant
    /// It reports VMs, or says that its journal was lost: what runs there is to be adopted.
    var hasVMs: Bool
    var vtep: IPAddress
    var version: String
}

/// Hellos: who is joined, with a grant or without, and who is refused.
///
/// | hello of | answer |
/// |---|---|
/// | a machine that an operator decided against | refused `barred` |
/// | another boot or fingerprint than the granted one, which reports | refused `boot-conflict`, see Freezing |
/// | anybody but the first while two rivals are frozen | refused `frozen` |
/// | a fenced installation | joined, withdraws, see Fencing |
/// | another installation than the one that leases blocks, not accepted | refused `incarnation-conflict` |
/// | a journal behind, or lost, not accepted | refused `journal-behind` |
/// | an accepted one with its journal behind | told to adopt what runs |
/// | any other with its own VTEP and MTU | joined, granted unless it is frozen |
extension CoordinatorMachine {
    mutating func greet(_ hello: Hello, from identity: AgentIdentity, on stream: StreamID) {
        let id = identity.host
        live.streams[stream]?.identity = identity
        if let refusal = refusal(of: hello, from: identity) {
            return refuse(hello, from: identity, on: stream, refusal)
        }
        suspectOldStore(hello)
        let known = state.hosts[id]
        passFence(hello, from: identity)
        let isSameBoot = known?.boot == identity.boot && known?.incarnation == identity.incarnation
        let acknowledged = known?.incarnation == identity.incarnation ? known?.journalSequence ?? 0 : 0
        let isBehind = hello.journalSequence < acknowledged
        let record = HostRecord(
            id: id, vtep: hello.vtep, incarnation: identity.incarnation, boot: identity.boot,
            fingerprint: hello.fingerprint, version: hello.version,
            journalSequence: min(acknowledged, hello.journalSequence),
            aggregateSequence: isSameBoot ? known?.aggregateSequence ?? 0 : max(1, hello.aggregateSequence) - 1,
            slotOffset: isSameBoot ? known?.slotOffset : nil, former: hello.former == hello.vtep ? nil : hello.former)
        if record != known { commit(.hostGranted(record)) }
        attach(hello, of: record, to: stream, isSameBoot: isSameBoot)
        noteEndpoints(of: id, before: known)
        // What a fenced host reports is what it has to give up.
        if live.hosts[id]?.reach == .withdrawing { return welcomeBack(identity, on: stream) }
        if !isBehind, !hello.recovering {
            if state.safety[id]?.accepted != nil { commit(.host(id, .settled)) }
            compareInventory(hello, of: id)
        }
        adopt(hello.bindings, of: id)
        if !isBehind, !hello.recovering { settleInventory(of: id) }
        if planted.contains(.freeOnEmptyInventory), hello.leases.isEmpty { freeAll(of: id) }
        for lease in hello.leases where lease.drained {
            take(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: .drained), from: id)
        }
        if isBehind { sendAdoption(to: identity, on: stream) } else { regrant(id) }
    }

    private mutating func refuse(
        _ hello: Hello, from identity: AgentIdentity, on stream: StreamID, _ refusal: (code: String, reason: String)
    ) {
        let id = identity.host
        if live.hosts[id] == nil {
            live.hosts[id] = HostLive(contact: now)
            // It never carried anything: nobody waits for it.
            live.hosts[id]?.reach = .unreachable
        }
        live.hosts[id]?.refusal = refusal.code
        let claimant = Claimant(
            incarnation: identity.incarnation, boot: identity.boot, fingerprint: hello.fingerprint)
        switch refusal.code {
        case "boot-conflict": live.hosts[id]?.rival = claimant
        case "incarnation-conflict", "journal-behind":
            live.hosts[id]?.candidate = Candidate(
                claimant: claimant, hasVMs: hello.recovering || !hello.bindings.isEmpty, vtep: hello.vtep,
                version: hello.version)
        default: break
        }
        turn.early.append(.send(stream, position, .bootRefusal(code: refusal.code, reason: refusal.reason)))
        notice(.error, refusal.code, "host \(id) gets no grant: \(refusal.reason)")
    }

    /// A journal that lost its tail doesn't know what it promised: its agent treats it as lost.
    private mutating func sendAdoption(to identity: AgentIdentity, on stream: StreamID) {
        live.hosts[identity.host]?.isRecovering = true
        let reason = "the journal is older than what was acknowledged: what runs is adopted, nothing new is bound"
        turn.early.append(
            .send(stream, position, .bindingStop(grant(for: identity), code: "journal-behind", reason: reason)))
    }

    private mutating func attach(_ hello: Hello, of record: HostRecord, to stream: StreamID, isSameBoot: Bool) {
        let id = record.id
        var host = live.hosts[id] ?? HostLive(contact: now)
        if let older = host.stream, older != stream {
            live.streams[older] = nil
            turn.early.append(.close(older, reason: "host \(id) opened another stream"))
        }
        host.stream = stream
        host.reach = reach(of: id)
        if host.reach == .repaying {
            host.repaidAt = .max
            live.undatedDebts.insert(id)
        }
        host.contact = now
        host.refusal = nil
        host.rival = nil
        host.candidate = nil
        host.isRecovering = hello.recovering
        host.inventory = hello.leases
        if !isSameBoot { host.answered = [:] }
        live.hosts[id] = host
        live.streams[stream]?.isGranted = true
        live.timers.arm(.silence(id), at: now + configuration.unreachableAfter)
        live.snapshots.insert(id)
    }

    private func reach(of host: HostID) -> Reach {
        if state.safety[host]?.fence?.isComplete ?? false { return .withdrawing }
        return state.safety[host]?.debt == nil ? .connected : .repaying
    }

    private mutating func adopt(_ bindings: [BindingRecord], of host: HostID) {
        let known = (state.bindings.byHost[host] ?? [:]).mapValues(\.record)
        let reported = Dictionary(
            bindings.filter { $0.state != .ended }.map { ($0.sni.rawValue, $0) }, uniquingKeysWith: { $1 })
        guard known != reported else { return }
        let sequence = state.hosts[host]?.journalSequence ?? 0
        let records = reported.values.sorted { $0.sni < $1.sni }
        commit(.bindings(host, journalSequence: sequence, records: records, whole: true))
    }

    func grant(for identity: AgentIdentity) -> BootGrant {
        BootGrant(
            identity: identity, bindUntil: configuration.bindUntil, overlay: configuration.overlay,
            overlayMTU: configuration.overlayMTU, vxlanPort: configuration.vxlanPort,
            cooldown: configuration.cooldown, aggregateInterval: configuration.aggregateInterval)
    }

    /// Planted: what an inventory does not list counts as drained.
    private mutating func freeAll(of host: HostID) {
        for lease in held(by: host) where lease.state == .leased || lease.state == .staged {
            mark(lease.block, reason: "not in the inventory", force: false)
            guard let marked = state.book.lease(of: lease.block) else { continue }
            try? book { (book) throws(BookError) in try book.drain(marked.block, epoch: marked.epoch) }
        }
    }

    // MARK: Refusals

    /// Why this agent may not join; the order is that of the harm it could do.
    private func refusal(of hello: Hello, from identity: AgentIdentity) -> (code: String, reason: String)? {
        let id = identity.host
        let claimant = Claimant(
            incarnation: identity.incarnation, boot: identity.boot, fingerprint: hello.fingerprint)
        if state.safety[id]?.bars(claimant) ?? false {
            return (
                "barred",
                "an operator decided that another machine is \(id); stop the VMs here, then join under another host id "
                    + "with an empty state directory"
            )
        }
        if let known = state.hosts[id], let conflict = conflict(of: claimant, with: known) { return conflict }
        return journalRefusal(of: hello, from: identity) ?? placeRefusal(of: hello, on: id)
    }

    private func conflict(of claimant: Claimant, with known: HostRecord) -> (code: String, reason: String)? {
        let id = known.id
        if claimant != known.claimant, isReporting(id), !planted.contains(.twoLiveBoots) {
            return (
                "boot-conflict",
                "another machine (boot \(known.boot)) reports under this name now; was the disk cloned? "
                    + "give one of them another host id, or stop the other agent and wait "
                    + "\(configuration.unreachableAfter)"
            )
        }
        if case .rivals(let first, _) = freeze(of: id), claimant != first, let stop = stop(of: id) {
            return stop
        }
        let leases = held(by: id).count
        let isFenced = state.safety[id]?.fence?.isComplete ?? false
        if known.incarnation != claimant.incarnation, leases > 0, !isFenced,
            state.safety[id]?.accepted != claimant.incarnation
        {
            return (
                "incarnation-conflict",
                "the name belongs to installation \(known.incarnation), which leases \(leases) blocks; restore its "
                    + "state directory, or join under another host id, or accept this one with 'outriderctl host "
                    + "replace \(id)'"
            )
        }
        return nil
    }

    private func journalRefusal(of hello: Hello, from identity: AgentIdentity) -> (code: String, reason: String)? {
        let id = identity.host
        let known = state.hosts[id]
        // What it held is withdrawn, whatever its journal says.
        let isFenced = state.safety[id]?.fence.map { $0.isComplete && $0.incarnation == identity.incarnation } ?? false
        guard state.safety[id]?.accepted != identity.incarnation, !isFenced else { return nil }
        if let known, known.incarnation == identity.incarnation, hello.journalSequence < known.journalSequence {
            return (
                "journal-behind",
                "the journal ends at \(hello.journalSequence), \(known.journalSequence) was acknowledged; "
                    + "restore the newer journal, or adopt what runs with 'outriderctl host replace \(id)'"
            )
        }
        if hello.recovering {
            return (
                "journal-behind",
                "the agent has no journal that vouches for what runs here; running VMs stay; adopt them with "
                    + "'outriderctl host replace \(id)'"
            )
        }
        return nil
    }

    /// Another host has the address, or one with the same tunnel address, or still sends from it.
    private func conflict(of own: IPAddress, on id: HostID) -> (code: String, reason: String)? {
        for other in state.hosts.values.sorted(by: { $0.id < $1.id }) where other.id != id {
            let theirs = ([other.vtep] + (other.former.map { [$0] } ?? [])).first { $0.tunnelMAC == own.tunnelMAC }
            guard let theirs,
                isReporting(other.id) || !held(by: other.id).isEmpty || state.safety[other.id]?.fence != nil
            else { continue }
            let what =
                theirs == own
                ? "has the VTEP \(own)"
                : "has the VTEP \(theirs), from which the same tunnel address \(own.tunnelMAC) follows"
            return ("vtep-taken", "host \(other.id) \(what); give this host its own address")
        }
        return nil
    }

    private func placeRefusal(of hello: Hello, on id: HostID) -> (code: String, reason: String)? {
        for own in [hello.vtep] + (hello.former.map { [$0] } ?? []) {
            if let taken = conflict(of: own, on: id) { return taken }
        }
        if let other = state.hosts.values.filter({ $0.vtep.isIPv6 != hello.vtep.isIPv6 && $0.id != id })
            .filter({ isReporting($0.id) || !held(by: $0.id).isEmpty }).min(by: { $0.id < $1.id })
        {
            return (
                "vtep-family",
                "host \(other.id) has the VTEP \(other.vtep), this host \(hello.vtep): no packet can go between them; "
                    + "give all hosts a vtep of one family"
            )
        }
        let needed = configuration.overlayMTU + hello.vtep.tunnelOverhead
        if hello.underlayMTU < needed {
            return (
                "mtu-too-small",
                "the underlay carries \(hello.underlayMTU) bytes, the overlay's \(configuration.overlayMTU) need "
                    + "\(needed); raise the interface's MTU or lower overlay-mtu of the whole installation"
            )
        }
        return nil
    }
}
