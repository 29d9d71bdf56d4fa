import FleetProtocol
import NetworkTypes

/// What one application did on this host since the interval began.
struct Window: Hashable, Sendable {
    var peak = 0
    var launches = 0
    var stops = 0
    var misses = 0
    var waited = Duration.zero
    /// Nil until a port of the application was read twice.
    var traffic: TrafficCounters?
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
        if let interval { aggregateSequence = UInt64(max(0, now.nanoseconds / interval.inNanoseconds)) }
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

    /// Adds what the ports counted since they were last read. A port that was read for the first time, was replaced or
    /// whose counters fell gives a new starting point and nothing else.
    mutating func fold(_ samples: [PortSample]) {
        for sample in samples {
            guard let bound = durable.bindings[sample.sni] else { continue }
            let before = counters.updateValue(sample, forKey: sample.sni)
            guard let before, before.index == sample.index,
                let delta = sample.counters.since(before.counters)
            else { continue }
            let application = bound.binding.application
            let sum = windows[application, default: Window()].traffic ?? TrafficCounters()
            windows[application, default: Window()].traffic = sum.adding(delta)
        }
    }

    mutating func closeWindow(at now: Instant, into effects: inout [AgentEffect]) {
        guard let interval, let start = windowStart, let due = nextAggregateAt, due <= now else { return }
        let length = interval.inNanoseconds
        let index = now.nanoseconds / length
        let end = Instant(nanoseconds: index * length)
        aggregateSequence = max(aggregateSequence + 1, UInt64(max(0, index)))
        let batch = Aggregates(
            sequence: aggregateSequence, interval: end - start, endedAt: end, applications: summaries)
        windows = [:]
        windowStart = end
        aggregates.append(batch)
        let excess = aggregates.count - configuration.aggregatesKeptMax
        if excess > 0 {
            aggregates.removeFirst(excess)
            effects.append(.notice(.aggregatesDropped(UInt64(excess))))
        }
        if streamGranted { effects.append(.send(.aggregates(batch))) }
    }

    private var summaries: [ApplicationAggregate] {
        var resting: [ApplicationID: Int] = [:]
        for bound in durable.bindings.values where bound.binding.state == .cooling {
            resting[bound.binding.application, default: 0] += 1
        }
        let known = Set(durable.scopes.keys).union(durable.blocksByApplication.keys).union(windows.keys)
            .union(present.keys).union(resting.keys)
        return known.sorted().map { application in
            let window = windows[application] ?? Window()
            let vms = present[application] ?? 0
            return ApplicationAggregate(
                application: application, vms: vms, peakVMs: max(window.peak, vms),
                cooling: resting[application] ?? 0, launches: window.launches, stops: window.stops,
                misses: window.misses, waited: window.waited, traffic: window.traffic)
        }
    }
}

extension TrafficCounters {
    /// Nil when any counter fell.
    fileprivate func since(_ before: TrafficCounters) -> TrafficCounters? {
        guard receivedBytes >= before.receivedBytes, sentBytes >= before.sentBytes,
            receivedPackets >= before.receivedPackets, sentPackets >= before.sentPackets,
            droppedPackets >= before.droppedPackets
        else { return nil }
        return TrafficCounters(
            receivedBytes: receivedBytes - before.receivedBytes, sentBytes: sentBytes - before.sentBytes,
            receivedPackets: receivedPackets - before.receivedPackets,
            sentPackets: sentPackets - before.sentPackets, droppedPackets: droppedPackets - before.droppedPackets)
    }

    fileprivate func adding(_ other: TrafficCounters) -> TrafficCounters {
        TrafficCounters(
            receivedBytes: receivedBytes &+ other.receivedBytes, sentBytes: sentBytes &+ other.sentBytes,
            receivedPackets: receivedPackets &+ other.receivedPackets, sentPackets: sentPackets &+ other.sentPackets,
            droppedPackets: droppedPackets &+ other.droppedPackets)
    }
}
