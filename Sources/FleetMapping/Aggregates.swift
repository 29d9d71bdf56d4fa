import ControlAPI
public import FleetProtocol
import NetworkTypes
import SwiftProtobuf

extension Aggregates {
    /// As bytes, for a copy on disk.
    public func encoded() throws -> [UInt8] { try Outrider_V1_Aggregates(self).serializedBytes() }

    public init(decoding bytes: [UInt8]) throws {
        self = try Outrider_V1_Aggregates(serializedBytes: bytes).value()
    }
}

extension Outrider_V1_Aggregates {
    init(_ aggregates: Aggregates) {
        self.init()
        sequence = aggregates.sequence
        intervalMs = milliseconds(aggregates.interval)
        endedAtMs = UInt64(max(0, aggregates.endedAt.nanoseconds / 1_000_000))
        applications = aggregates.applications.map(Outrider_V1_ApplicationAggregate.init)
        folded = aggregates.folded > 1 ? UInt32(clamping: aggregates.folded) : 0
        lost = aggregates.lost
        if let packets = aggregates.unattributedPackets { unattributedPackets = packets }
    }
    func value() throws(MappingError) -> Aggregates {
        var values: [ApplicationAggregate] = []
        for application in applications { values.append(try application.value()) }
        return Aggregates(
            sequence: sequence, interval: duration(milliseconds: intervalMs),
            endedAt: Instant(nanoseconds: Int64(clamping: endedAtMs) &* 1_000_000), applications: values,
            folded: max(1, Int(folded)), lost: lost,
            unattributedPackets: hasUnattributedPackets ? unattributedPackets : nil)
    }
}

extension Outrider_V1_ApplicationAggregate {
    init(_ value: ApplicationAggregate) {
        self.init()
        application = value.application.description
        vms = UInt32(value.vms)
        peakVms = UInt32(value.peakVMs)
        cooling = UInt32(value.cooling)
        launches = UInt32(value.launches)
        stops = UInt32(value.stops)
        misses = UInt32(value.misses)
        waitedMs = milliseconds(value.waited)
        if let cpu = value.cpu { cpuMs = milliseconds(cpu) }
        if let bytes = value.memory {
            memoryBytes = bytes
            memoryVms = UInt32(clamping: value.memoryVMs)
        }
        if let counters = value.tunnel { tunnel = Outrider_V1_TunnelCounters(counters) }
        if let table = value.peers { peers = Outrider_V1_PeerTable(table) }
        if !value.gaps.isEmpty { gaps = Outrider_V1_TelemetryGaps(value.gaps) }
        if let part = value.observed { observed = Outrider_V1_ObservedAggregate(part) }
        guard let traffic = value.traffic else { return }
        rxBytes = traffic.receivedBytes
        txBytes = traffic.sentBytes
        rxPackets = traffic.receivedPackets
        txPackets = traffic.sentPackets
        droppedPackets = traffic.droppedPackets
    }
    func value() throws(MappingError) -> ApplicationAggregate {
        let traffic =
            hasRxBytes
            ? TrafficCounters(
                receivedBytes: rxBytes, sentBytes: txBytes, receivedPackets: rxPackets, sentPackets: txPackets,
                droppedPackets: droppedPackets) : nil
        return ApplicationAggregate(
            application: try parse(application, "aggregates.application"), vms: Int(vms), peakVMs: Int(peakVms),
            cooling: Int(cooling), launches: Int(launches), stops: Int(stops), misses: Int(misses),
            waited: duration(milliseconds: waitedMs), traffic: traffic, tunnel: hasTunnel ? tunnel.value() : nil,
            cpu: hasCpuMs ? duration(milliseconds: cpuMs) : nil, memory: hasMemoryBytes ? memoryBytes : nil,
            memoryVMs: Int(memoryVms), peers: hasPeers ? try peers.value() : nil,
            gaps: hasGaps ? gaps.value() : TelemetryGaps(), observed: hasObserved ? observed.value() : nil)
    }
}

extension Outrider_V1_ObservedAggregate {
    init(_ value: ObservedAggregate) {
        self.init()
        vms = UInt32(clamping: value.vms)
        peakVms = UInt32(clamping: value.peakVMs)
        launches = UInt32(clamping: value.launches)
        stops = UInt32(clamping: value.stops)
        interfaces = UInt32(clamping: value.interfaces)
        if let cpu = value.cpu { cpuMs = milliseconds(cpu) }
        if let bytes = value.memory { memoryBytes = bytes }
        memoryVms = UInt32(clamping: value.memoryVMs)
        if !value.gaps.isEmpty { gaps = Outrider_V1_TelemetryGaps(value.gaps) }
        guard let traffic = value.traffic else { return }
        rxBytes = traffic.receivedBytes
        txBytes = traffic.sentBytes
        rxPackets = traffic.receivedPackets
        txPackets = traffic.sentPackets
        droppedPackets = traffic.droppedPackets
    }
    func value() -> ObservedAggregate {
        let traffic =
            hasRxBytes
            ? TrafficCounters(
                receivedBytes: rxBytes, sentBytes: txBytes, receivedPackets: rxPackets, sentPackets: txPackets,
                droppedPackets: droppedPackets) : nil
        return ObservedAggregate(
            vms: Int(vms), peakVMs: Int(peakVms), launches: Int(launches), stops: Int(stops),
            interfaces: Int(interfaces), traffic: traffic, cpu: hasCpuMs ? duration(milliseconds: cpuMs) : nil,
            memory: hasMemoryBytes ? memoryBytes : nil, memoryVMs: Int(memoryVms),
            gaps: hasGaps ? gaps.value() : TelemetryGaps())
    }
}

extension Outrider_V1_TunnelCounters {
    init(_ value: TunnelCounters) {
        self.init()
        rxBytes = value.receivedBytes
        rxPackets = value.receivedPackets
        refusedPackets = value.refusedPackets
    }
    func value() -> TunnelCounters {
        TunnelCounters(receivedBytes: rxBytes, receivedPackets: rxPackets, refusedPackets: refusedPackets)
    }
}

extension Outrider_V1_PeerTable {
    init(_ value: PeerTable) {
        self.init()
        bytes = value.bytes
        absentBytesMax = value.absentBytesMax
        pairs = value.pairs.map { pair in
            .with {
                $0.source = pair.source.rawValue
                $0.destination = pair.destination.rawValue
                $0.bytes = pair.bytes
                $0.packets = pair.packets
                $0.missedBytesMax = pair.missedBytesMax
            }
        }
    }
    func value() throws(MappingError) -> PeerTable {
        var table = PeerTable(bytes: bytes, absentBytesMax: absentBytesMax)
        // A newer agent may name more: they are the lesser ones.
        for pair in pairs.prefix(PeerTable.pairsMax) {
            table.pairs.append(
                PeerTraffic(
                    source: try parseSNI(pair.source, "aggregates.peers.source"),
                    destination: try parseSNI(pair.destination, "aggregates.peers.destination"), bytes: pair.bytes,
                    packets: pair.packets, missedBytesMax: pair.missedBytesMax))
        }
        return table
    }
}

extension Outrider_V1_TelemetryGaps {
    init(_ value: TelemetryGaps) {
        self.init()
        unread = UInt32(clamping: value.unread)
        unbased = UInt32(clamping: value.unbased)
        reset = UInt32(clamping: value.reset)
        late = UInt32(clamping: value.late)
    }
    func value() -> TelemetryGaps {
        TelemetryGaps(unread: Int(unread), unbased: Int(unbased), reset: Int(reset), late: Int(late))
    }
}
