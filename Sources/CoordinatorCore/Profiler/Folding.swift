import FleetProtocol
import NetworkTypes

/// Profiler's feed: aggregates of hosts, folded into one sample per application and interval.
///
/// Each host counts its intervals; its sequence plus an offset is the slot of the fleet. A slot is folded, in order,
/// when every host that matters has reported it or when it is overdue. What a host did not report is unknown, not zero;
/// only a host that has become unreachable is carried on with what it last had, since its VMs are not gone with it.
extension CoordinatorMachine {
    /// A slot waits this many half intervals for the slowest host.
    static let slotPatience = 3
    /// Slots farther ahead than this mean a host that cannot be right.
    static let slotsAheadMax = 100_000
    /// Slots that the count may leap by when a clock says so: sixty days of ten seconds, beyond which nothing learnt holds.
    static let slotLeapMax = 518_400

    mutating func take(_ aggregates: Aggregates, from host: HostID, on stream: StreamID) {
        guard let record = state.hosts[host] else { return }
        guard aggregates.sequence > record.aggregateSequence else {
            live.feed.duplicates += 1
            return acknowledgeReports(of: host, on: stream)
        }
        let slot = slot(of: aggregates.sequence, record)
        let parts = known(aggregates.applications, of: host)
        commit(
            .aggregated(
                host, sequence: aggregates.sequence, slot: slot,
                launches: parts.map {
                    LaunchTally(
                        application: $0.application, launches: $0.launches + ($0.observed?.launches ?? 0),
                        observed: $0.observed?.vms)
                }))
        live.feed.taken += 1
        note(parts, of: host, at: max(slot, state.slot))
        // Of several intervals folded into one, none is known by itself: their slots stay unknown.
        if aggregates.folded > 1 {
            live.feed.folded += 1
        } else if slot <= state.slot {
            live.feed.late += 1
        } else {
            var fill = live.slots[slot] ?? SlotFill(firstArrival: now)
            fill.reports[host] = parts
            live.slots[slot] = fill
            foldSlots()
        }
        acknowledgeReports(of: host, on: stream)
    }

    /// Without applications that nobody created, and each once: a broken agent may name a million of them.
    private mutating func known(_ parts: [ApplicationAggregate], of host: HostID) -> [ApplicationAggregate] {
        var seen: Set<ApplicationID> = []
        let kept = parts.filter { state.applications[$0.application] != nil && seen.insert($0.application).inserted }
        let strangers = parts.count - kept.count
        guard strangers > 0 else { return kept }
        let before = live.strangers[host] ?? 0
        live.strangers[host] = before + strangers
        live.feed.strangers += strangers
        // Once, and again for each further digit.
        if String(before + strangers).count > String(before).count || before == 0 {
            notice(
                .warning, "unknown-applications",
                "host \(host) reported applications that do not exist, or some twice: \(before + strangers) so far, "
                    + "which are left out; if this goes on, its agent is broken")
        }
        return kept
    }

    private func slot(of sequence: UInt64, _ record: HostRecord) -> Int {
        let newest = live.slots.keys.max() ?? state.slot + 1
        guard let offset = record.slotOffset, sequence < 1 << 62 else { return newest }
        let slot = offset + Int(sequence)
        // A host whose intervals drift against the others' slips by one now and then; one far ahead starts over.
        let isBacklog = sequence > record.aggregateSequence + 1
        if slot > newest + Self.slotsAheadMax || (slot <= state.slot && !isBacklog) { return newest }
        return slot
    }

    mutating func foldSlots() {
        while let slot = live.slots.keys.min(), let fill = live.slots[slot] {
            let due = fill.firstArrival + configuration.aggregateInterval * Self.slotPatience / 2
            guard isComplete(fill) || due <= now else { return live.timers.arm(.fold, at: due) }
            live.slots[slot] = nil
            var parts: [ApplicationID: [ApplicationAggregate]] = [:]
            for report in fill.reports.values {
                for part in report { parts[part.application, default: []].append(part) }
            }
            let samples = state.applications.keys.sorted().map { sample(of: $0, parts[$0] ?? [], in: fill) }
            let before = state.slot
            commit(.sampled(slot: slot, samples))
            renewPrior(since: before)
            boundProfiles()
        }
        live.timers.cancel(.fold)
    }

    private func isComplete(_ fill: SlotFill) -> Bool {
        live.hosts.allSatisfy { host, known in
            known.reach == .unreachable || state.hosts[host] == nil || fill.reports[host] != nil
                || (live.applicationsOf[host]?.isEmpty ?? true) && state.observed[host] == nil && known.reach == .away
        }
    }

    private mutating func sample(
        of application: ApplicationID, _ parts: [ApplicationAggregate], in fill: SlotFill
    ) -> FleetSample {
        sample(of: application, agents: configuration.profiler == .alone ? nil : told(application, parts, in: fill))
    }

    /// - Parameter agents: what they say; nil when one that matters said nothing.
    mutating func sample(of application: ApplicationID, agents: FleetSample.Demand?) -> FleetSample {
        let isTold = agents.map { $0.vms > 0 || $0.launches > 0 } ?? false
        let isTheirs = isTold || state.agentsSpoke.contains(application)
        if let external = external(for: application, agents: agents, isTheirs: isTheirs) {
            return FleetSample(application: application, demand: external, external: true)
        }
        // Nobody's silence is a scale-in: not that of the source that told of it so far either.
        let demand = isTheirs || !state.fed.contains(application) ? agents : nil
        if demand == nil { live.feed.unknown += 1 }
        return FleetSample(application: application, demand: demand)
    }

    /// What the agents say; nil when one that matters said nothing.
    private func told(
        _ application: ApplicationID, _ parts: [ApplicationAggregate], in fill: SlotFill
    ) -> FleetSample.Demand? {
        var demand = FleetSample.Demand(load: FleetSample.Load(cpu: 0, bytes: 0, misses: 0))
        var usage = FleetSample.Usage.none
        for part in parts {
            demand.add(part)
            usage.add(part)
        }
        var missing = Set((live.presence[application] ?? [:]).keys)
        for (host, seen) in state.observed where seen[application] != nil { missing.insert(host) }
        for host in missing where fill.reports[host] == nil {
            guard live.hosts[host]?.reach == .unreachable else { return nil }
            let bound = (state.bindings.byHost[host] ?? [:]).values
                .count { $0.record.application == application && $0.record.state == .bound }
            let known = bound + (state.observed[host]?[application] ?? 0)
            demand.vms += known
            demand.peak += known
            guard known > 0 else { continue }
            demand.load = nil
            usage = FleetSample.Usage()
        }
        demand.usage = usage.known
        return demand
    }
}

extension FleetSample.Demand {
    fileprivate mutating func add(_ part: ApplicationAggregate) {
        vms += part.vms
        peak += max(part.vms, part.peakVMs)
        launches += part.launches
        stops += part.stops
        load?.add(part)
        if part.vms > 0, part.cpu == nil || part.traffic == nil { load = nil }
        guard let other = part.observed else { return }
        vms += other.vms
        peak += max(other.vms, other.peakVMs)
        launches += other.launches
        stops += other.stops
    }
}

extension FleetSample.Load {
    mutating func add(_ part: ApplicationAggregate) {
        cpu += part.cpu?.inSeconds ?? 0
        bytes &+= (part.traffic?.receivedBytes ?? 0) &+ (part.traffic?.sentBytes ?? 0)
        misses += part.misses
    }
}
