import FleetProtocol
import NetworkTypes

/// The matrix of pairs.
///
/// Elements of the flow set begin at 0 and end when their pair is silent. So an element that a dump shows for the first
/// time is new as a whole, and one that fell has been made anew and counts as a whole too. A dump can lack an element
/// that is there: it is remembered for some dumps more, or its past would count twice.
extension TelemetryEngine {
    private struct Delta {
        var application: ApplicationID
        var pair: PeerTraffic
    }

    mutating func takeFlows(_ reading: TelemetryReading, into step: inout TelemetryStep) {
        takeUnattributed(reading, into: &step)
        guard let rows = reading.flows else {
            for application in Set(targets.applications.values) {
                step.applications[application, default: .init()].gaps.unread += 1
            }
            return
        }
        // The first dump could be short: only what the second lacks too is not there.
        let isBase = flowDumps < 2
        let elapsed = flowsAt.map { reading.at - $0 } ?? .zero
        flowDumps += 1
        var deltas: [Delta] = []
        deltas.reserveCapacity(rows.count)
        for row in rows {
            // Counted whoever it belongs to: an identifier's next owner must not inherit its past.
            let outcome = count(row, isBase: isBase, elapsed: elapsed)
            guard let application = targets.applications[row.source] else { continue }
            guard let outcome else {
                step.applications[application, default: .init()].gaps.unread += 1
                continue
            }
            if case .counted(let delta, _) = outcome {
                guard delta.bytes > 0 || delta.packets > 0 else { continue }
                let pair = PeerTraffic(
                    source: row.source, destination: row.destination, bytes: delta.bytes, packets: delta.packets)
                deltas.append(Delta(application: application, pair: pair))
            } else {
                _ = step.applications[application, default: .init()].gaps.note(outcome)
            }
        }
        if flows.count > 2 * rows.count + 64 { flows = flows.filter { isFresh($0.value) } }
        // Read and silent is 0, not unknown; but before the second reading nothing is known.
        if flowsAt != nil {
            for application in Set(targets.applications.values) {
                step.applications[application, default: .init()].peers = PeerTable()
                if elapsed > patience { step.applications[application]?.gaps.late += 1 }
            }
        }
        flowsAt = reading.at
        fold(&deltas, into: &step)
    }

    private func isFresh(_ flow: Flow) -> Bool { flowDumps - flow.seen <= Self.flowPatience }

    /// Nil when there is no room to remember the pair.
    private mutating func count(
        _ row: FlowReading, isBase: Bool, elapsed: Duration
    ) -> CounterBook<UInt64, PairCounter>.Outcome? {
        let key = UInt64(row.source.rawValue) << 25 | UInt64(row.destination.rawValue) << 1 | (row.isIPv6 ? 1 : 0)
        let value = PairCounter(bytes: row.bytes, packets: row.packets)
        let before = flows[key]
        guard before != nil || flows.count < Self.flowsMax else { return nil }
        flows[key] = Flow(counter: value, seen: flowDumps)
        guard let before, isFresh(before) else {
            if isBase { return .unbased }
            return value.since(.zero, within: elapsed).map { .counted($0, late: false) } ?? .reset
        }
        let missed = elapsed * Int(flowDumps - before.seen)
        if let delta = value.since(before.counter, within: missed) { return .counted(delta, late: false) }
        guard value.bytes <= before.counter.bytes, value.packets <= before.counter.packets,
            let anew = value.since(.zero, within: missed)
        else { return .reset }
        return .counted(anew, late: false)
    }

    /// Both families of a pair together, then a bounded table per application.
    private func fold(_ deltas: inout [Delta], into step: inout TelemetryStep) {
        deltas.sort {
            ($0.application, $0.pair.source, $0.pair.destination)
                < ($1.application, $1.pair.source, $1.pair.destination)
        }
        var pairs: [PeerTraffic] = []
        for (index, delta) in deltas.enumerated() {
            if let last = pairs.last, last.source == delta.pair.source, last.destination == delta.pair.destination {
                pairs[pairs.count - 1].bytes &+= delta.pair.bytes
                pairs[pairs.count - 1].packets &+= delta.pair.packets
            } else {
                pairs.append(delta.pair)
            }
            guard index + 1 == deltas.count || deltas[index + 1].application != delta.application else { continue }
            step.applications[delta.application, default: .init()].peers = PeerTable(exact: pairs)
            pairs.removeAll(keepingCapacity: true)
        }
    }

    private mutating func takeUnattributed(_ reading: TelemetryReading, into step: inout TelemetryStep) {
        guard let packets = reading.unattributedPackets else { return }
        let outcome = unattributed.take(
            0, identity: 0, PairCounter(bytes: 0, packets: packets), isNew: false, at: reading.at, patience: patience)
        if case .counted(let delta, _) = outcome { step.unattributedPackets = delta.packets }
    }
}
