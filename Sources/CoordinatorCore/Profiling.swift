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

    mutating func take(_ aggregates: Aggregates, from host: HostID, on stream: StreamID) {
        guard let record = state.hosts[host] else { return }
        guard aggregates.sequence > record.aggregateSequence else {
            return acknowledgeReports(of: host, on: stream)
        }
        let slot = slot(of: aggregates.sequence, record)
        commit(
            .aggregated(
                host, sequence: aggregates.sequence, slot: slot,
                launches: aggregates.applications.map {
                    LaunchTally(
                        application: $0.application, launches: $0.launches + ($0.observed?.launches ?? 0),
                        observed: $0.observed?.vms)
                }))
        // Of several intervals folded into one, none is known by itself: their slots stay unknown.
        if slot > state.slot, aggregates.folded == 1 {
            var fill = live.slots[slot] ?? SlotFill(firstArrival: now)
            fill.reports[host] = aggregates.applications
            live.slots[slot] = fill
            foldSlots()
        }
        acknowledgeReports(of: host, on: stream)
    }

    private func slot(of sequence: UInt64, _ record: HostRecord) -> Int {
        let newest = live.slots.keys.max() ?? state.slot + 1
        guard let offset = record.slotOffset else { return newest }
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
            let samples = state.applications.keys.sorted().map { sample(of: $0, in: fill) }
            commit(.sampled(slot: slot, samples))
        }
        live.timers.cancel(.fold)
    }

    private func isComplete(_ fill: SlotFill) -> Bool {
        live.hosts.allSatisfy { host, known in
            known.reach == .unreachable || state.hosts[host] == nil || fill.reports[host] != nil
                || (live.applicationsOf[host]?.isEmpty ?? true) && state.observed[host] == nil && known.reach == .away
        }
    }

    private func sample(of application: ApplicationID, in fill: SlotFill) -> FleetSample {
        var demand = FleetSample.Demand(load: FleetSample.Load(cpu: 0, bytes: 0, misses: 0))
        for (_, report) in fill.reports {
            guard let part = report.first(where: { $0.application == application }) else { continue }
            demand.vms += part.vms
            demand.peak += max(part.vms, part.peakVMs)
            demand.launches += part.launches
            demand.stops += part.stops
            demand.load?.add(part)
            if part.vms > 0, part.cpu == nil || part.traffic == nil { demand.load = nil }
            guard let other = part.observed else { continue }
            demand.vms += other.vms
            demand.peak += max(other.vms, other.peakVMs)
            demand.launches += other.launches
            demand.stops += other.stops
        }
        var missing = Set((live.presence[application] ?? [:]).keys)
        for (host, seen) in state.observed where seen[application] != nil { missing.insert(host) }
        for host in missing where fill.reports[host] == nil {
            guard live.hosts[host]?.reach == .unreachable else {
                return FleetSample(application: application, demand: nil)
            }
            let bound = (state.bindings.byHost[host] ?? [:]).values
                .count { $0.record.application == application && $0.record.state == .bound }
            let known = bound + (state.observed[host]?[application] ?? 0)
            demand.vms += known
            demand.peak += known
            if known > 0 { demand.load = nil }
        }
        return FleetSample(application: application, demand: demand)
    }
}

extension FleetSample.Load {
    mutating func add(_ part: ApplicationAggregate) {
        cpu += part.cpu?.inSeconds ?? 0
        bytes &+= (part.traffic?.receivedBytes ?? 0) &+ (part.traffic?.sentBytes ?? 0)
        misses += part.misses
    }
}
