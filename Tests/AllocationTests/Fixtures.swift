import Allocation
import Forecasting
import NetworkTypes

/// A forecast whose peak is uniform between two levels, so that quantile and confidence are arithmetic.
struct UniformForecast: DemandForecast {
    var state = ProfileState.ready
    var low: Double
    var high: Double
    /// Added to both ends for leads above five minutes.
    var later = 0.0

    private func shift(_ lead: Duration) -> Double { lead > .seconds(300) ? later : 0 }
    func peakQuantile(_ level: Double, lead: Duration) -> Double? { shift(lead) + low + level * (high - low) }
    func exceedance(of held: Int, within horizon: Duration) -> Double? {
        min(1, max(0, (shift(horizon) + high - Double(held)) / (high - low)))
    }
}

func host(_ name: String) -> HostID {
    guard let host = HostID(name) else { preconditionFailure("'\(name)' is no host name") }
    return host
}

func block(_ index: Int, size: Int = 16) -> SNIBlock {
    guard let block = SNIRange(unchecked: UInt32(4096 + index * size), count: size).blocks(of: size).first else {
        preconditionFailure("block \(index) of \(size) is not aligned")
    }
    return block
}

let application = ApplicationID(UUID128(high: 1, low: 2))
let start = Instant(nanoseconds: 0)

func input(
    _ policy: AllocationPolicy = AllocationPolicy(), hosts: [HostDemand], blocks: [OwnedBlock] = [],
    pendingElsewhere: Int = 0, forecast: (any DemandForecast)? = nil
) -> AllocationInput {
    AllocationInput(
        application: application, policy: policy, hosts: hosts, blocks: blocks, pendingElsewhere: pendingElsewhere,
        forecast: forecast)
}

/// One decision without a past.
func decide(
    _ input: AllocationInput, settings: AllocationSettings = AllocationSettings()
) -> AllocationDecision {
    var memory = AllocationMemory()
    return PredictiveAllocator(settings: settings).decide(input, memory: &memory, at: start)
}

/// `count` blocks of a host, the first `inUse` identifiers taken.
func leased(_ name: String, _ indices: Range<Int>, inUse: Int = 0) -> [OwnedBlock] {
    var left = inUse
    return indices.map { index in
        let here = min(left, 16)
        left -= here
        return OwnedBlock(block: block(index), host: host(name), inUse: here)
    }
}
