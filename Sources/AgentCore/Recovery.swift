import Dataplane
import FleetProtocol
@_spi(Simulation) public import NetworkTypes

/// Start of the process: the journal says what was promised, the kernel what runs.
extension AgentMachine {
    /// Call once, before any other input. `entries` are the journal's, ascending; `journalLost`: the journal is missing
    /// where ports run, or is of another incarnation or machine. Of a damaged one, the entry is what
    /// ``Checkpoint/salvaged(from:kernelPorts:)`` left.
    ///
    /// With a journal, a grant of this boot counts without the coordinator. Without one, what runs is adopted, nothing is
    /// deleted and nothing new is bound until ``AgentInput/resolveRecovery(_:)``.
    public mutating func recover(
        _ entries: [JournalEntry], kernelPorts: [AdoptedPort], journalLost: Bool, at now: Instant
    ) -> [AgentEffect] {
        var effects: [AgentEffect] = []
        for entry in entries { _ = durable.apply(entry.record, sequence: entry.sequence) }
        durableSequence = durable.sequence
        foundSequence = durable.sequence
        recordsSinceCheckpoint = entries.count
        applied = .zero
        lastContact = durable.contact.flatMap { $0.boot == identity.boot && $0.at <= now ? $0.at : nil }
        for port in kernelPorts { unknownPorts[port.sni] = port }
        durable.touched = DurableState.Touched()
        rebuildBook()
        if durable.resting { holdUntil = now + cooldown }
        if journalLost, !durable.recovering { journal([.recovering(true)], into: &effects) }
        claimPorts()
        for bound in durable.bindings.values where bound.binding.state == .bound { arrive(bound.binding.application) }
        report(ports: kernelPorts.count, into: &effects)
        recoveredState = (durable.position, wholeState)
        if let grant = durable.grant, isOurs(grant) {
            effects.append(.ensureOverlay(grant, deletes: deletionScope))
            startWindow(at: now)
            desire(into: &effects)
        }
        resumeReleases(at: now, into: &effects)
        return effects
    }

    /// Gives the data plane everything that the journal said at start. There is none to give it to before a grant of this
    /// boot, and what came since goes through the journal first.
    mutating func desire(into effects: inout [AgentEffect]) {
        guard let (position, changes) = recoveredState else { return }
        recoveredState = nil
        submitted = position
        effects.append(.dataplane(changes, expect(.update(position))))
    }

    /// Without a journal nobody knows what runs here. Where remote blocks are, the coordinator says.
    var deletionScope: DeletionScope {
        guard durable.recovering else { return .everything }
        return (recoveredState?.position ?? submitted) > .zero ? .remoteBlocks : .nothing
    }

    /// What an update changes. With the first word about remote blocks after the journal was lost, those that the kernel
    /// carries beyond it go, and only then is it acknowledged.
    mutating func giveToKernel(
        _ changes: [DataplaneChange], at position: Position, into effects: inout [AgentEffect]
    ) {
        let before = deletionScope
        submitted = max(submitted, position)
        guard before != deletionScope, let grant = durable.grant, isOurs(grant) else {
            effects.append(.dataplane(changes, expect(.update(position))))
            return
        }
        effects.append(.dataplane(changes, expect(.background)))
        effects.append(.ensureOverlay(grant, deletes: deletionScope))
        effects.append(.dataplane([], expect(.update(position))))
    }

    private var wholeState: [DataplaneChange] {
        let bound = durable.byInterface.values.filter { sni in
            ports[sni] != nil && durable.bindings[sni]?.binding.state == .bound
        }.sorted()
        return durable.dataplaneWithoutPorts + bound.compactMap { port(of: $0) }.map(DataplaneChange.setPort)
    }

    /// Ports whose mark agrees with the journal are the bindings' own.
    private mutating func claimPorts() {
        for (sni, bound) in durable.bindings.sorted(by: { $0.key < $1.key }) {
            guard let port = unknownPorts[sni], port.interface == nil || port.interface == bound.binding.interface
            else {
                continue
            }
            unknownPorts[sni] = nil
            ports[sni] = port.index
        }
    }

    /// Bindings of an earlier boot whose port is gone belonged to VMs that are gone. Cooling starts anew in full.
    private mutating func resumeReleases(at now: Instant, into effects: inout [AgentEffect]) {
        let sameBoot = durable.grant?.identity.boot == identity.boot
        for (sni, bound) in durable.bindings.sorted(by: { $0.key < $1.key }) {
            if bound.binding.state == .cooling {
                resume(sni, bound, at: now, into: &effects)
            } else if bound.binding.state == .held, !planted.contains(.forgetHolds) {
                resumeHold(sni, bound, at: now, into: &effects)
            } else if let departure = durable.departures[sni], departure.phase != .preparing,
                durable.holder(of: departure) != nil
            {
                depart(sni, at: now, into: &effects)
            } else if ports[sni] == nil, !sameBoot, !durable.recovering {
                releases[sni] = Release(interface: bound.binding.interface, detachers: [])
                releasing[bound.binding.interface] = sni
                journal([.unbound(sni)], into: &effects) { _ in .release(sni) }
            } else if ports[sni] == nil, bound.port != .later || bound.plugged {
                effects.append(.notice(.missingPort(sni, bound.binding.interface)))
            }
        }
    }

    /// The process died between the record and the end of the removal, or while cooling.
    private mutating func resume(
        _ sni: SessionNetworkID, _ bound: BoundInterface, at now: Instant, into effects: inout [AgentEffect]
    ) {
        releases[sni] = Release(interface: bound.binding.interface, phase: .clearing, detachers: [])
        releasing[bound.binding.interface] = sni
        clear(sni, at: now, into: &effects)
    }

    private func report(ports count: Int, into effects: inout [AgentEffect]) {
        for port in unknownPorts.values.sorted(by: { $0.sni < $1.sni }) {
            effects.append(.notice(.unknownPort(port.sni, port.interface)))
        }
        effects.append(
            .notice(
                durable.recovering
                    ? .recovering(ports: count)
                    : .recovered(leases: durable.leases.count, bindings: durable.bindings.count, ports: count)))
    }

    /// A port that the journal does not know is removed only after the coordinator has confirmed that this journal is
    /// the newest there is: an old copy of a journal must not take running VMs away.
    mutating func deleteUnknownPorts(into effects: inout [AgentEffect]) {
        guard !durable.recovering else { return }
        for port in unknownPorts.values.sorted(by: { $0.sni < $1.sni }) where durable.bindings[port.sni] == nil {
            deleteUnknown(port, into: &effects)
        }
    }

    /// While recovering: a running port inside a lease of its application is a binding that exists, so it is written down.
    mutating func adoptCovered(at now: Instant, into effects: inout [AgentEffect]) {
        guard durable.recovering else { return }
        var records: [JournalRecord] = []
        var adopted: [SessionNetworkID] = []
        for port in unknownPorts.values.sorted(by: { $0.sni < $1.sni }) {
            guard durable.bindings[port.sni] == nil, doomed[port.sni] == nil, let interface = port.interface,
                durable.byInterface[interface] == nil, let lease = durable.lease(of: port.sni),
                port.application == nil || port.application == lease.order.application
            else { continue }
            let binding = BindingRecord(
                sni: port.sni, interface: interface, application: lease.order.application, state: .bound,
                servedFrom: .leased, epoch: lease.order.epoch)
            let mac = port.mac ?? .standard(for: port.sni)
            records.append(.bound(BoundInterface(binding: binding, mac: mac, port: .later, plugged: true)))
            adopted.append(port.sni)
            ports[port.sni] = port.index
            arrive(lease.order.application)
        }
        guard !records.isEmpty else { return }
        for sni in adopted { unknownPorts[sni] = nil }
        journal(records, into: &effects) { _ in .adopted(adopted) }
    }

    mutating func resolveRecovery(for request: RequestID, at now: Instant, into effects: inout [AgentEffect]) {
        guard durable.recovering else {
            effects.append(.reply(request, .success(.status(status(at: now)))))
            return
        }
        if let journalFailure {
            effects.append(.reply(request, .failure(.journal(reason: journalFailure))))
            return
        }
        guard let grant = durable.grant, isOurs(grant), durable.refusal == nil else {
            let reason = "the coordinator must confirm this boot before the recovery can end"
            effects.append(.reply(request, .failure(.notGranted(reason: reason))))
            return
        }
        guard unknownPorts.isEmpty else {
            let left = unknownPorts.keys.sorted().map { "sni\($0.hex)" }.joined(separator: ", ")
            let reason = "ports without a lease of their application: \(left); detach these VMs first"
            effects.append(.reply(request, .failure(.invalid(parameter: "ports", reason: reason))))
            return
        }
        // What was promised to VMs without a port where no lease is any more can't be kept.
        for (sni, bound) in durable.bindings.sorted(by: { $0.key < $1.key })
        where durable.lease(of: sni) == nil && ports[sni] == nil && releases[sni] == nil
            && bound.binding.state != .cooling
        {
            release(sni, for: [], at: now, into: &effects)
        }
        // Everything rests once.
        holdUntil = now + grant.cooldown
        journal([.recovering(false)], into: &effects)
        effects.append(.ensureOverlay(grant, deletes: .everything))
        effects.append(.reply(request, .success(.status(status(at: now)))))
        // The next hello says that the journal is in order.
        if connected { effects.append(.reconnect(reason: "the recovery is resolved")) }
    }
}
