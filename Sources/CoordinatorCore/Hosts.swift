import FleetProtocol
import NetworkTypes
import SNISpace

/// Fleet: boot grants, connections, silence.
extension CoordinatorMachine {
    /// Outer IPv4, UDP, VXLAN and inner Ethernet headers (RFC 7348 section 5), bytes.
    static let encapsulation = 50

    mutating func receive(_ message: AgentMessage, from identity: AgentIdentity, on stream: StreamID) {
        guard live.streams[stream] != nil else { return }
        if case .hello(let hello) = message { return greet(hello, from: identity, on: stream) }
        guard live.streams[stream]?.identity == identity, live.streams[stream]?.isGranted ?? false,
            live.hosts[identity.host]?.stream == stream
        else {
            // A refused or replaced agent may still have messages under way.
            return
        }
        let now = turn.now
        live.hosts[identity.host]?.contact = now
        switch message {
        case .hello: break
        case .stateAck(let position): acknowledge(position, by: identity.host)
        case .leaseRequest(let request): answer(request, from: identity.host, on: stream)
        case .drainAnswer(let answer): take(answer, from: identity.host)
        case .bindingReport(let report): take(report, from: identity.host, on: stream)
        case .aggregates(let aggregates): take(aggregates, from: identity.host, on: stream)
        case .hostReport(let report): live.hosts[identity.host]?.report = report
        }
    }

    private mutating func greet(_ hello: Hello, from identity: AgentIdentity, on stream: StreamID) {
        live.streams[stream]?.identity = identity
        if let refusal = refusal(of: hello, from: identity) {
            if live.hosts[identity.host] == nil { live.hosts[identity.host] = HostLive(contact: now) }
            live.hosts[identity.host]?.refusal = refusal.code
            turn.early.append(.send(stream, position, .bootRefusal(code: refusal.code, reason: refusal.reason)))
            notice(.error, refusal.code, "host \(identity.host) gets no grant: \(refusal.reason)")
            return
        }
        let known = state.hosts[identity.host]
        let isSameBoot = known?.boot == identity.boot && known?.incarnation == identity.incarnation
        let record = HostRecord(
            id: identity.host, vtep: hello.vtep, incarnation: identity.incarnation, boot: identity.boot,
            fingerprint: hello.fingerprint, version: hello.version,
            journalSequence: known?.incarnation == identity.incarnation ? known?.journalSequence ?? 0 : 0,
            aggregateSequence: isSameBoot ? known?.aggregateSequence ?? 0 : hello.aggregateSequence - 1,
            slotOffset: isSameBoot ? known?.slotOffset : nil)
        if record != known { commit(.hostGranted(record)) }
        attach(hello, of: record, to: stream, isSameBoot: isSameBoot)
        if known?.vtep != record.vtep {
            for lease in state.book.leases(of: record.id) where lease.isActive {
                live.dirtyBlocks.insert(lease.block)
                live.dirtyHosts.formUnion(watchers(of: lease.application))
            }
        }
        turn.early.append(.send(stream, position, .bootGrant(grant(for: identity))))
    }

    private mutating func attach(_ hello: Hello, of record: HostRecord, to stream: StreamID, isSameBoot: Bool) {
        let id = record.id
        var host = live.hosts[id] ?? HostLive(contact: now)
        if let older = host.stream, older != stream {
            live.streams[older] = nil
            turn.early.append(.close(older, reason: "host \(id) opened another stream"))
        }
        host.stream = stream
        host.reach = .connected
        host.contact = now
        host.refusal = nil
        host.inventory = hello.leases
        if !isSameBoot { host.answered = [:] }
        live.hosts[id] = host
        live.streams[stream]?.isGranted = true
        live.timers.arm(.silence(id), at: now + configuration.unreachableAfter)
        live.snapshots.insert(id)
        adopt(hello.bindings, of: id)
        for lease in hello.leases where lease.drained {
            take(DrainAnswer(block: lease.block, epoch: lease.epoch, outcome: .drained), from: id)
        }
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

    private func grant(for identity: AgentIdentity) -> BootGrant {
        BootGrant(
            identity: identity, bindUntil: configuration.bindUntil, overlay: configuration.overlay,
            overlayMTU: configuration.overlayMTU, vxlanPort: configuration.vxlanPort,
            cooldown: configuration.cooldown, aggregateInterval: configuration.aggregateInterval)
    }

    /// Why this agent may not bind; the order is that of the harm it could do.
    private func refusal(of hello: Hello, from identity: AgentIdentity) -> (code: String, reason: String)? {
        let id = identity.host
        if let known = state.hosts[id] {
            let isSame =
                known.boot == identity.boot && known.fingerprint == hello.fingerprint
                && known.incarnation == identity.incarnation
            if !isSame, isReporting(id) {
                return (
                    "boot-conflict",
                    "another machine (boot \(known.boot)) reports under this name now; was the disk cloned? "
                        + "give one of them another host id, or stop the other agent and wait "
                        + "\(configuration.unreachableAfter)"
                )
            }
            let leases = state.book.leaseCount(of: id)
            if known.incarnation != identity.incarnation, leases > 0 {
                return (
                    "incarnation-conflict",
                    "the name belongs to installation \(known.incarnation), which leases \(leases) blocks; restore its "
                        + "state directory, or join under another host id"
                )
            }
            if known.incarnation == identity.incarnation, hello.journalSequence < known.journalSequence {
                return (
                    "journal-behind",
                    "the journal ends at \(hello.journalSequence), \(known.journalSequence) was acknowledged; "
                        + "restore the newer journal"
                )
            }
        }
        if hello.recovering {
            return ("journal-behind", "the agent has no journal of its own for what runs here; running VMs stay")
        }
        if let other = state.hosts.values.first(where: { $0.vtep == hello.vtep && $0.id != id }),
            isReporting(other.id) || state.book.leaseCount(of: other.id) > 0
        {
            return ("vtep-taken", "host \(other.id) has the VTEP \(hello.vtep); give this host its own address")
        }
        let needed = configuration.overlayMTU + Self.encapsulation
        if hello.underlayMTU < needed {
            return (
                "mtu-too-small",
                "the underlay carries \(hello.underlayMTU) bytes, the overlay's \(configuration.overlayMTU) need "
                    + "\(needed); raise the interface's MTU or lower overlay-mtu of the whole installation"
            )
        }
        return nil
    }

    private func isReporting(_ host: HostID) -> Bool {
        guard let known = live.hosts[host], known.stream != nil, known.reach == .connected else { return false }
        return now - known.contact < configuration.unreachableAfter
    }

    mutating func disconnect(_ stream: StreamID) {
        guard let gone = live.streams.removeValue(forKey: stream), let host = gone.identity?.host,
            live.hosts[host]?.stream == stream
        else { return }
        live.hosts[host]?.stream = nil
        live.hosts[host]?.reach = .away
        // Silence counts from the last word, not from the end of the stream.
        live.timers.arm(
            .silence(host), at: max(now, (live.hosts[host]?.contact ?? now) + configuration.unreachableAfter))
        notice(.warning, "host-away", "host \(host) closed its stream")
    }

    mutating func silenceEnded(_ id: HostID) {
        guard let host = live.hosts[id], host.reach != .unreachable, state.hosts[id] != nil else { return }
        let due = host.contact + configuration.unreachableAfter
        guard due <= now else { return live.timers.arm(.silence(id), at: due) }
        if let stream = host.stream {
            live.streams[stream] = nil
            turn.early.append(.close(stream, reason: "no word for \(configuration.unreachableAfter)"))
        }
        live.hosts[id]?.stream = nil
        live.hosts[id]?.reach = .unreachable
        notice(.error, "host-unreachable", "host \(id) is silent; what it leases is kept")
        excuse(id)
    }

    private mutating func take(_ report: BindingReport, from host: HostID, on stream: StreamID) {
        if report.journalSequence > state.hosts[host]?.journalSequence ?? 0 {
            for record in report.events where record.state == .cooling || record.state == .ended {
                guard let lease = state.book.blockLease(around: record.sni) else { continue }
                live.idleSince[lease.block.first.rawValue] = now
            }
            commit(
                .bindings(host, journalSequence: report.journalSequence, records: report.events, whole: false))
        }
        acknowledgeReports(of: host, on: stream)
    }

    mutating func acknowledgeReports(of host: HostID, on stream: StreamID) {
        guard let record = state.hosts[host] else { return }
        turn.late.append(
            .send(
                stream, position,
                .reportAck(journalSequence: record.journalSequence, aggregateSequence: record.aggregateSequence)))
    }
}
