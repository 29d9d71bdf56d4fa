public import FleetProtocol
public import NetworkTypes
public import Telemetry

/// What one application did on this host since the interval began.
struct Window: Hashable, Sendable {
    var peak = 0
    var launches = 0
    var stops = 0
    var misses = 0
    var waited = Duration.zero
    var measure = ApplicationMeasure()
    /// On interfaces that another system manages; nil when there were none.
    var observed: ObservedAggregate?
}

/// What to do with the copy of the backlog on disk, which only a restart of the process reads.
///
/// Reading it back means to add the batches one after the other to an empty backlog, which then folds them as it did.
public enum BacklogRecord: Hashable, Sendable {
    case append(Aggregates)
    /// These are all.
    case replace([Aggregates])
}

/// Aggregates per application and interval. Intervals are counted on the boot-time clock, so that a restart neither
/// repeats a number nor hides that intervals are missing.
extension AgentMachine {
    private var interval: Duration? {
        guard let grant = durable.grant, isOurs(grant), grant.aggregateInterval > .zero else { return nil }
        return grant.aggregateInterval
    }

    var nextAggregateAt: Instant? {
        guard let interval, let windowStart else { return nil }
        let length = interval.inNanoseconds
        return Instant(nanoseconds: (windowStart.nanoseconds / length + 1) * length)
    }

    mutating func startWindow(at now: Instant) {
        guard windowStart == nil else { return }
        windowStart = now
        if let interval {
            aggregateSequence = max(aggregateSequence, UInt64(max(0, now.nanoseconds / interval.inNanoseconds)))
        }
    }

    mutating func arrive(_ application: ApplicationID) {
        let count = present[application, default: 0] + 1
        present[application] = count
        windows[application, default: Window()].peak = max(windows[application]?.peak ?? 0, count)
    }

    mutating func leave(_ application: ApplicationID) {
        present[application, default: 1] -= 1
        if present[application] == 0 { present[application] = nil }
        // The peak of an interval without a launch is what it began with.
        let before = present[application, default: 0] + 1
        windows[application, default: Window()].peak = max(windows[application]?.peak ?? 0, before)
    }

    /// Adds what was measured since the reading before.
    mutating func fold(_ step: TelemetryStep) {
        for (application, measure) in step.applications {
            windows[application, default: Window()].measure.add(measure)
        }
        if let packets = step.unattributedPackets { unattributedPackets = (unattributedPackets ?? 0) &+ packets }
        if let observed = step.observed { fold(observed: observed) }
    }

    private mutating func fold(observed now: [ApplicationID: ObservedMeasure]) {
        for application in Set(now.keys).union(observed.keys) {
            let before = observed[application]
            let measure = now[application] ?? ObservedMeasure()
            // The peak of an interval is at least what it began with.
            var sum =
                windows[application]?.observed
                ?? ObservedAggregate(vms: before?.vms ?? 0, peakVMs: before?.vms ?? 0)
            sum.vms = measure.vms
            sum.interfaces = measure.interfaces
            sum.peakVMs = max(sum.peakVMs, measure.vms)
            sum.launches += measure.launches
            sum.stops += measure.stops
            var all = sum.measure
            all.add(measure.measure)
            sum.measure = all
            windows[application, default: Window()].observed = sum
        }
        observed = now.filter { $0.value.vms > 0 }
    }

    /// Who is who, for whoever reads counters.
    public var telemetryTargets: TelemetryTargets {
        var targets = TelemetryTargets(revision: durable.sequence)
        for (sni, bound) in durable.bindings where bound.binding.state == .bound {
            targets.applications[sni] = bound.binding.application
        }
        for (block, lease) in durable.leases { targets.blocks[block.vni] = lease.order.application }
        return targets
    }

    /// Revision of ``telemetryTargets``, at no cost.
    public var telemetryRevision: UInt64 { durable.sequence }

    /// How identifiers become addresses; nil before this boot's grant.
    public var overlayPlan: OverlayPlan? { durable.grant.flatMap { isOurs($0) ? $0.overlay : nil } }

    /// The interfaces that are bound.
    public var boundInterfaces: [SessionNetworkID: VMInterface] {
        durable.bindings.filter { $0.value.binding.state == .bound }.mapValues(\.binding.interface)
    }

    /// Takes back what an earlier process of this boot kept on disk; before ``recover(_:kernelPorts:journalLost:at:)``.
    public mutating func restoreBacklog(_ batches: [Aggregates], lost: UInt64) {
        backlog.giveUp(lost)
        for batch in batches { backlog.append(batch) }
        keptRecords = batches.isEmpty ? nil : batches.count
        aggregateSequence = max(aggregateSequence, backlog.batches.last?.sequence ?? 0)
    }

    mutating func closeWindow(at now: Instant, into effects: inout [AgentEffect]) {
        guard let interval, let start = windowStart, let due = nextAggregateAt, due <= now else { return }
        let length = interval.inNanoseconds
        let index = now.nanoseconds / length
        let end = Instant(nanoseconds: index * length)
        aggregateSequence = max(aggregateSequence + 1, UInt64(max(0, index)))
        let batch = Aggregates(
            sequence: aggregateSequence, interval: end - start, endedAt: end, applications: summaries,
            lost: backlog.lost, unattributedPackets: unattributedPackets)
        windows = [:]
        unattributedPackets = nil
        windowStart = end
        let (folded, lost) = (backlog.folded, backlog.lost)
        backlog.append(batch)
        if backlog.folded > folded { effects.append(.notice(.aggregatesFolded(backlog.folded - folded))) }
        if backlog.lost > lost { effects.append(.notice(.aggregatesDropped(backlog.lost - lost))) }
        if streamGranted { effects.append(.send(.aggregates(batch))) } else { keep(batch, into: &effects) }
    }

    /// Nobody takes it now: a restart of the process must not lose it.
    private mutating func keep(_ batch: Aggregates, into effects: inout [AgentEffect]) {
        if let kept = keptRecords, kept < 2 * backlog.batches.count + 64 {
            keptRecords = kept + 1
            effects.append(.keep(.append(batch)))
        } else {
            keptRecords = backlog.batches.count
            effects.append(.keep(.replace(backlog.batches)))
        }
    }

    /// Forgets what the coordinator has. What is left on disk of it does no harm: it would be told twice.
    mutating func acknowledgeAggregates(upTo sequence: UInt64, into effects: inout [AgentEffect]) {
        backlog.acknowledge(upTo: sequence)
        guard backlog.isEmpty, keptRecords != nil else { return }
        keptRecords = nil
        effects.append(.keep(.replace([])))
    }

    private var summaries: [ApplicationAggregate] {
        var resting: [ApplicationID: Int] = [:]
        for bound in durable.bindings.values where bound.binding.state == .cooling {
            resting[bound.binding.application, default: 0] += 1
        }
        let known = Set(durable.scopes.keys).union(durable.blocksByApplication.keys).union(windows.keys)
            .union(present.keys).union(resting.keys).union(observed.keys)
        return known.sorted().map { application in
            let window = windows[application] ?? Window()
            let vms = present[application] ?? 0
            var aggregate = ApplicationAggregate(
                application: application, vms: vms, peakVMs: max(window.peak, vms),
                cooling: resting[application] ?? 0, launches: window.launches, stops: window.stops,
                misses: window.misses, waited: window.waited, traffic: nil)
            aggregate.measure = window.measure
            // An interval without a reading is as the one before ended.
            aggregate.observed =
                window.observed
                ?? observed[application].map {
                    ObservedAggregate(vms: $0.vms, peakVMs: $0.vms, interfaces: $0.interfaces)
                }
            return aggregate
        }
    }
}
