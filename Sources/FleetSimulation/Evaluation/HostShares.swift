import Allocation
import NetworkTypes

/// Launches by application and host, fading with the half-life that the coordinator uses.
struct HostShares: Sendable {
    private static let halfLife = Duration.seconds(1800)
    private var launches: [[DecayedCount]]

    init(applications: Int, hosts: Int) {
        let none = Array(repeating: DecayedCount(halfLife: Self.halfLife), count: hosts)
        launches = Array(repeating: none, count: applications)
    }

    mutating func observe(_ event: EvaluationEvent) {
        if event.isLaunch { launches[event.application][event.host].add(1, at: event.at) }
    }

    func recent(_ application: Int, at now: Instant) -> [Double] { launches[application].map { $0.value(at: now) } }

    /// By host, how likely the next launch is there: by recent launches, else by where VMs run; nil where there is
    /// neither. One more launch than was seen counts as one anywhere, so few say little.
    func shares(_ application: Int, _ own: ApplicationHoldings, at now: Instant) -> [Double]? {
        var weights = recent(application, at: now)
        var sum = weights.reduce(0, +)
        if sum < Self.few {
            for host in own.carriers { weights[host] += Double(own.bound(on: host)) }
            sum = weights.reduce(0, +)
        }
        return sum > 0 ? weights.map { $0 / (sum + 1) } : nil
    }

    /// Fewer recent launches than this say less than the VMs that run.
    private static let few = 0.5
}
