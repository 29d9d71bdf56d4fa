public import NetworkTypes

/// Telemetry of one interval, or of several that were folded while nobody took them.
public struct Aggregates: Hashable, Sendable {
    /// Counts the intervals of this boot from 1; duplicates are dropped, gaps are unknown, not zero. Of several folded
    /// intervals, the last one's.
    public var sequence: UInt64
    /// Time covered; of several folded intervals, the sum.
    public var interval: Duration
    /// Boot-time clock at the end of the interval.
    public var endedAt: Instant
    public var applications: [ApplicationAggregate]
    /// Intervals that are folded here: more than 1 after a long absence of the coordinator.
    public var folded: Int
    /// Intervals of this boot that were given up before they could be told, up to this one.
    public var lost: UInt64
    /// Packets of VMs that found the flow set full; nil when it was not read.
    public var unattributedPackets: UInt64?
    public init(
        sequence: UInt64, interval: Duration, endedAt: Instant, applications: [ApplicationAggregate], folded: Int = 1,
        lost: UInt64 = 0, unattributedPackets: UInt64? = nil
    ) {
        self.sequence = sequence
        self.interval = interval
        self.endedAt = endedAt
        self.applications = applications
        self.folded = folded
        self.lost = lost
        self.unattributedPackets = unattributedPackets
    }
}

/// Byte and packet counts of a port or a sum of ports, seen from the VM's side (`received` = towards the VM).
public struct TrafficCounters: Hashable, Sendable {
    public var receivedBytes: UInt64
    public var sentBytes: UInt64
    public var receivedPackets: UInt64
    public var sentPackets: UInt64
    public var droppedPackets: UInt64
    public init(
        receivedBytes: UInt64 = 0, sentBytes: UInt64 = 0, receivedPackets: UInt64 = 0, sentPackets: UInt64 = 0,
        droppedPackets: UInt64 = 0
    ) {
        self.receivedBytes = receivedBytes
        self.sentBytes = sentBytes
        self.receivedPackets = receivedPackets
        self.sentPackets = sentPackets
        self.droppedPackets = droppedPackets
    }
}

/// What arrived through the tunnel for the blocks of an application. What leaves is in no counter of the tunnel.
public struct TunnelCounters: Hashable, Sendable {
    public var receivedBytes: UInt64
    public var receivedPackets: UInt64
    /// Dropped and erroneous packets.
    public var refusedPackets: UInt64
    public init(receivedBytes: UInt64 = 0, receivedPackets: UInt64 = 0, refusedPackets: UInt64 = 0) {
        self.receivedBytes = receivedBytes
        self.receivedPackets = receivedPackets
        self.refusedPackets = refusedPackets
    }
}

/// Traffic of one VM of this host to another VM.
public struct PeerTraffic: Hashable, Sendable {
    public var source: SessionNetworkID
    public var destination: SessionNetworkID
    /// Counted for certain; the truth is at most ``missedBytesMax`` more.
    public var bytes: UInt64
    public var packets: UInt64
    public var missedBytesMax: UInt64
    public init(
        source: SessionNetworkID, destination: SessionNetworkID, bytes: UInt64, packets: UInt64,
        missedBytesMax: UInt64 = 0
    ) {
        self.source = source
        self.destination = destination
        self.bytes = bytes
        self.packets = packets
        self.missedBytesMax = missedBytesMax
    }
}

/// The pairs of an application that exchanged most, counted at the source's host.
///
/// At most ``pairsMax`` pairs are kept. A pair that is not among them sent at most ``absentBytesMax`` bytes, which is
/// never more than ``bytes`` / ``pairsMax``; so every pair with a larger share is among them.
public struct PeerTable: Hashable, Sendable {
    public static let pairsMax = 16
    /// Descending by the most that they can have sent.
    public var pairs: [PeerTraffic]
    /// Of all pairs.
    public var bytes: UInt64
    public var absentBytesMax: UInt64
    public init(pairs: [PeerTraffic] = [], bytes: UInt64 = 0, absentBytesMax: UInt64 = 0) {
        self.pairs = pairs
        self.bytes = bytes
        self.absentBytesMax = absentBytesMax
    }
}

/// What is missing in the figures of an interval, counted in readings of one VM, block or pair.
///
/// The figures beside it are lower bounds wherever one of these is not 0.
public struct TelemetryGaps: Hashable, Sendable {
    /// Could not be read.
    public var unread: Int
    /// Read for the first time, with an unknown past: the agent or the source is new.
    public var unbased: Int
    /// Counters fell, jumped beyond what a machine can do, or belong to another device than before.
    public var reset: Int
    /// Spans missed readings: part of it may belong to the intervals before.
    public var late: Int
    public init(unread: Int = 0, unbased: Int = 0, reset: Int = 0, late: Int = 0) {
        self.unread = unread
        self.unbased = unbased
        self.reset = reset
        self.late = late
    }
    public var isEmpty: Bool { self == TelemetryGaps() }
}

/// One application on one host in one interval. What could not be read is nil, never 0.
public struct ApplicationAggregate: Hashable, Sendable {
    public var application: ApplicationID
    /// VMs bound at the end of the interval.
    public var vms: Int
    /// Largest number of VMs bound at any moment of the interval.
    public var peakVMs: Int
    /// Identifiers cooling at the end.
    public var cooling: Int
    public var launches: Int
    public var stops: Int
    /// Launches that found no leased identifier.
    public var misses: Int
    /// Total time that launches waited.
    public var waited: Duration
    /// Of the ports.
    public var traffic: TrafficCounters?
    /// Of the blocks on the wire.
    public var tunnel: TunnelCounters?
    /// CPU time of the VMs whose process or control group is known.
    public var cpu: Duration?
    /// Memory of those VMs at the last reading, bytes.
    public var memory: UInt64?
    /// VMs that ``memory`` is the sum of.
    public var memoryVMs: Int
    public var peers: PeerTable?
    public var gaps: TelemetryGaps
    /// On interfaces that another system manages; nil where there are none, or none are looked at.
    public var observed: ObservedAggregate?
    public init(
        application: ApplicationID, vms: Int, peakVMs: Int, cooling: Int, launches: Int, stops: Int, misses: Int,
        waited: Duration, traffic: TrafficCounters?, tunnel: TunnelCounters? = nil, cpu: Duration? = nil,
        memory: UInt64? = nil, memoryVMs: Int = 0, peers: PeerTable? = nil, gaps: TelemetryGaps = TelemetryGaps(),
        observed: ObservedAggregate? = nil
    ) {
        self.application = application
        self.vms = vms
        self.peakVMs = peakVMs
        self.cooling = cooling
        self.launches = launches
        self.stops = stops
        self.misses = misses
        self.waited = waited
        self.traffic = traffic
        self.tunnel = tunnel
        self.cpu = cpu
        self.memory = memory
        self.memoryVMs = memoryVMs
        self.peers = peers
        self.gaps = gaps
        self.observed = observed
    }
}
