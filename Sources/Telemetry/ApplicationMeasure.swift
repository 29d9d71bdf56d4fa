public import FleetProtocol

/// What was measured of one application since the reading before, or in several readings together.
///
/// What nothing is known of is nil, never 0.
public struct ApplicationMeasure: Hashable, Sendable {
    public var traffic: TrafficCounters?
    public var tunnel: TunnelCounters?
    public var cpu: Duration?
    /// Bytes, at the last reading that had any.
    public var memory: UInt64?
    /// VMs that ``memory`` is the sum of.
    public var memoryVMs = 0
    public var peers: PeerTable?
    public var gaps = TelemetryGaps()
    public init() {}

    /// Adds what was measured later.
    public mutating func add(_ later: ApplicationMeasure) {
        if let more = later.traffic { traffic = (traffic ?? TrafficCounters()).adding(more) }
        if let more = later.tunnel { tunnel = (tunnel ?? TunnelCounters()).adding(more) }
        if let more = later.cpu { cpu = (cpu ?? .zero) + more }
        if let bytes = later.memory {
            memory = bytes
            memoryVMs = later.memoryVMs
        }
        if let more = later.peers {
            var sum = peers ?? PeerTable()
            sum.merge(more)
            peers = sum
        }
        gaps.add(later.gaps)
    }
}

extension ApplicationAggregate {
    /// What was measured of it.
    public var measure: ApplicationMeasure {
        get {
            var measure = ApplicationMeasure()
            measure.traffic = traffic
            measure.tunnel = tunnel
            measure.cpu = cpu
            measure.memory = memory
            measure.memoryVMs = memoryVMs
            measure.peers = peers
            measure.gaps = gaps
            return measure
        }
        set {
            traffic = newValue.traffic
            tunnel = newValue.tunnel
            cpu = newValue.cpu
            memory = newValue.memory
            memoryVMs = newValue.memoryVMs
            peers = newValue.peers
            gaps = newValue.gaps
        }
    }
}

extension ObservedAggregate {
    /// What was measured of it: neither tunnel nor pairs are known of such interfaces.
    public var measure: ApplicationMeasure {
        get {
            var measure = ApplicationMeasure()
            measure.traffic = traffic
            measure.cpu = cpu
            measure.memory = memory
            measure.memoryVMs = memoryVMs
            measure.gaps = gaps
            return measure
        }
        set {
            traffic = newValue.traffic
            cpu = newValue.cpu
            memory = newValue.memory
            memoryVMs = newValue.memoryVMs
            gaps = newValue.gaps
        }
    }
}

extension TelemetryGaps {
    mutating func add(_ other: TelemetryGaps) {
        unread += other.unread
        unbased += other.unbased
        reset += other.reset
        late += other.late
    }
}
