public import FleetProtocol
public import NetworkTypes

/// Who is who on this host.
public struct TelemetryTargets: Hashable, Sendable {
    /// Rises whenever anything else here changes.
    public var revision: UInt64
    /// Bound identifiers and their applications.
    public var applications: [SessionNetworkID: ApplicationID]
    /// Leased blocks by their VNI.
    public var blocks: [SessionNetworkID: ApplicationID]
    public init(
        revision: UInt64 = 0, applications: [SessionNetworkID: ApplicationID] = [:],
        blocks: [SessionNetworkID: ApplicationID] = [:]
    ) {
        self.revision = revision
        self.applications = applications
        self.blocks = blocks
    }
}

/// Absolute counters of one port, turned to the VM's side.
public struct PortReading: Hashable, Sendable {
    public var sni: SessionNetworkID
    /// Names the device for as long as the machine runs; an interface index alone may be used again.
    public var device: UInt64
    /// The device was made by this process, with all counters at 0.
    public var isNew: Bool
    /// Whom it serves, also while it is closed and its identifier is bound no more; nil when that is not known.
    public var application: ApplicationID?
    public var counters: TrafficCounters
    public init(
        sni: SessionNetworkID, device: UInt64, isNew: Bool, application: ApplicationID?, counters: TrafficCounters
    ) {
        self.sni = sni
        self.application = application
        self.device = device
        self.isNew = isNew
        self.counters = counters
    }
}

/// Absolute counters of one VNI of the filter.
public struct TunnelReading: Hashable, Sendable {
    public var vni: SessionNetworkID
    public var counters: TunnelCounters
    public init(vni: SessionNetworkID, counters: TunnelCounters) {
        self.vni = vni
        self.counters = counters
    }
}

/// CPU time of one process of a VM since the process began.
public struct TaskReading: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var process: Int32
    /// Boot-time clock when the process began, to the clock tick: tells it from a later one of the same number.
    public var began: Instant
    public var cpuNanoseconds: UInt64
    public init(sni: SessionNetworkID, process: Int32, began: Instant, cpuNanoseconds: UInt64) {
        self.sni = sni
        self.process = process
        self.began = began
        self.cpuNanoseconds = cpuNanoseconds
    }
}

/// Memory of one VM now, bytes.
public struct MemoryReading: Hashable, Sendable {
    public var sni: SessionNetworkID
    public var bytes: UInt64
    public init(sni: SessionNetworkID, bytes: UInt64) {
        self.sni = sni
        self.bytes = bytes
    }
}

/// Absolute counters of one pair in the flow set.
public struct FlowReading: Hashable, Sendable {
    public var source: SessionNetworkID
    public var destination: SessionNetworkID
    public var isIPv6: Bool
    public var bytes: UInt64
    public var packets: UInt64
    public init(
        source: SessionNetworkID, destination: SessionNetworkID, isIPv6: Bool, bytes: UInt64, packets: UInt64
    ) {
        self.source = source
        self.destination = destination
        self.isIPv6 = isIPv6
        self.bytes = bytes
        self.packets = packets
    }
}

/// Everything that was read at one time. A source that could not be read is nil; one that is read and has nothing is
/// empty.
public struct TelemetryReading: Sendable {
    /// Boot-time clock.
    public var at: Instant
    public var ports: [PortReading]?
    /// The last words of ports that went since the reading before: a VM may come and go between two readings.
    ///
    /// Every port is in each reading, among those read or those not, until it is here once or nowhere any more.
    public var endedPorts: [PortReading] = []
    /// Identifiers that have a port which was not among those read.
    public var unreadPorts: [SessionNetworkID] = []
    public var tunnels: [TunnelReading]?
    /// Names the tunnel device.
    public var tunnelDevice: UInt64
    public var tasks: [TaskReading] = []
    public var memory: [MemoryReading] = []
    /// Identifiers whose process or control group could not be read.
    public var unreadWorkloads: [SessionNetworkID] = []
    public var flows: [FlowReading]?
    /// Packets so far that found the flow set full.
    public var unattributedPackets: UInt64?
    public init(at: Instant, tunnelDevice: UInt64 = 0) {
        self.at = at
        self.tunnelDevice = tunnelDevice
    }
}

/// What one reading brought.
public struct TelemetryStep: Hashable, Sendable {
    public var applications: [ApplicationID: ApplicationMeasure]
    /// Packets that found the flow set full; nil when that is not known.
    public var unattributedPackets: UInt64?
    /// On interfaces that another system manages; nil when they were not looked at.
    public var observed: [ApplicationID: ObservedMeasure]?
    public init(applications: [ApplicationID: ApplicationMeasure] = [:], unattributedPackets: UInt64? = nil) {
        self.applications = applications
        self.unattributedPackets = unattributedPackets
    }
}
