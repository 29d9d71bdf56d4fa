/// What one application did in one sample interval, summed over its hosts.
public struct DemandSample: Hashable, Sendable {
    /// VMs present at the end of the interval.
    public var concurrent: Int
    /// Largest number of VMs present at any moment of the interval, never below `concurrent`.
    public var peak: Int
    public var launches: Int
    public var stops: Int
    public init(concurrent: Int, peak: Int, launches: Int, stops: Int) {
        self.concurrent = max(0, concurrent)
        self.peak = max(concurrent, peak, 0)
        self.launches = max(0, launches)
        self.stops = max(0, stops)
    }
}
