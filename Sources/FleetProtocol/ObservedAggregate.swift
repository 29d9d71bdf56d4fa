/// What one application did in one interval on interfaces that another system manages.
///
/// These VMs hold no identifier of Outrider, so they count nowhere but here and in the profiler's demand.
public struct ObservedAggregate: Hashable, Sendable {
    /// VMs at the latest reading.
    public var vms: Int
    /// Largest number of VMs at any reading of the interval.
    public var peakVMs: Int
    /// VMs that came and went between two readings are in neither.
    public var launches: Int
    public var stops: Int
    /// Interfaces at the latest reading.
    public var interfaces: Int
    public var traffic: TrafficCounters?
    /// CPU time of the VMs whose process is known.
    public var cpu: Duration?
    /// Memory of those VMs at the last reading, bytes.
    public var memory: UInt64?
    /// VMs that ``memory`` is the sum of.
    public var memoryVMs: Int
    public var gaps: TelemetryGaps
    public init(
        vms: Int, peakVMs: Int, launches: Int = 0, stops: Int = 0, interfaces: Int = 0,
        traffic: TrafficCounters? = nil, cpu: Duration? = nil, memory: UInt64? = nil, memoryVMs: Int = 0,
        gaps: TelemetryGaps = TelemetryGaps()
    ) {
        self.vms = vms
        self.peakVMs = peakVMs
        self.launches = launches
        self.stops = stops
        self.interfaces = interfaces
        self.traffic = traffic
        self.cpu = cpu
        self.memory = memory
        self.memoryVMs = memoryVMs
        self.gaps = gaps
    }
}
