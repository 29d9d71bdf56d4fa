import NetworkTypes
import SimulationKit

/// When which host cannot be reached: alternating exponential times, so that the share holds at every moment.
struct Outages: Hashable, Sendable {
    struct Outage: Hashable, Sendable {
        var start: Instant
        var end: Instant
    }

    private var byHost: [[Outage]] = []

    init(hosts: Int, until end: Instant, timing: ReclaimTiming, generator: SeededGenerator) {
        let down = timing.outageMean.inSeconds
        for host in 0..<hosts {
            var own = generator.fork(UInt64(host))
            var outages: [Outage] = []
            guard timing.unreachableShare > 0 else {
                byHost.append([])
                continue
            }
            let up = down * (1 - timing.unreachableShare) / timing.unreachableShare
            var time = Instant(nanoseconds: 0)
            // Stationary from the start: the first state is drawn like any later one.
            var isDown = own.chance(timing.unreachableShare)
            while time < end {
                let next = time + .nanoseconds(Int64(own.exponential(mean: isDown ? down : up) * 1e9))
                if isDown { outages.append(Outage(start: time, end: next)) }
                time = next
                isDown.toggle()
            }
            byHost.append(outages)
        }
    }

    /// The outage of a host at a moment.
    func outage(of host: Int, at now: Instant) -> Outage? {
        let outages = byHost[host]
        // Binary search for the last outage that started.
        var (low, high) = (0, outages.count)
        while low < high {
            let middle = (low + high) / 2
            if outages[middle].start <= now { low = middle + 1 } else { high = middle }
        }
        guard low > 0, now < outages[low - 1].end else { return nil }
        return outages[low - 1]
    }
}
