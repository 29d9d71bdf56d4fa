import SimulationKit

/// Where VMs run: each application has its own few hosts, spreads over them, and moves slowly to others.
struct ChurnPlacement: Sendable {
    private struct Home: Hashable, Sendable {
        var hosts: [Int]
        var density: Double
        var mean: Double
        var growth: Double
        /// How many of the hosts, from the first, take launches now.
        var active = 1
    }

    private let hosts: Int
    private let stray: Double
    private let drift: Double
    private let style: ChurnMix.Placement
    private static let slack = 0.9
    private static let reserve = 2.0
    private var homes: [Home] = []
    /// VMs expected by host: new homes prefer the emptier of two.
    private var planned: [Double]
    private var generator: SeededGenerator

    init(_ draws: [ChurnMix.Draw], plan: ChurnPlan, generator: SeededGenerator) {
        hosts = plan.hosts
        stray = plan.mix.stray
        drift = plan.mix.drift
        style = plan.mix.placement
        planned = Array(repeating: 0, count: plan.hosts)
        self.generator = generator
        for draw in draws {
            homes.append(
                Home(hosts: [], density: draw.density, mean: draw.shape.mean, growth: draw.shape.growth))
            settle(homes.count - 1, day: 0)
        }
    }

    /// The host of a launch, nil when none of those looked at can be reached.
    ///
    /// - Parameter load: VMs of the application on a host.
    mutating func host(
        for application: Int, live: Int, load: (Int) -> Int, reachable: (Int) -> Bool
    ) -> (host: Int, isStray: Bool)? {
        follow(application, live: live)
        for _ in 0..<4 {
            let strays = generator.chance(stray)
            let candidates = homes[application].hosts.prefix(homes[application].active)
            func draw() -> Int {
                strays
                    ? generator.integer(in: 0...hosts - 1) : candidates[generator.integer(in: 0...candidates.count - 1)]
            }
            let (one, other) = (draw(), draw())
            let chosen = load(one) <= load(other) ? one : other
            if reachable(chosen) { return (chosen, strays) }
        }
        return nil
    }

    /// As many hosts as the VMs need at the application's density; a little slack before one is left again.
    private mutating func follow(_ application: Int, live: Int) {
        let home = homes[application]
        guard style == .following else {
            homes[application].active = home.hosts.count
            return
        }
        var active = home.active
        while active < home.hosts.count, Double(live) >= Double(active) * home.density { active += 1 }
        while active > 1, Double(live) < Double(active - 1) * home.density * Self.slack { active -= 1 }
        homes[application].active = min(active, home.hosts.count)
    }

    /// Growth takes more hosts, and now and then one is left for another.
    mutating func newDay(_ day: Int) {
        for application in homes.indices {
            if generator.chance(drift), homes[application].hosts.count < hosts {
                let place = generator.integer(in: 0...homes[application].hosts.count - 1)
                planned[homes[application].hosts[place]] -= homes[application].density
                homes[application].hosts.remove(at: place)
            }
            settle(application, day: day)
        }
    }

    private mutating func settle(_ application: Int, day: Int) {
        let home = homes[application]
        var level = home.mean
        for _ in 0..<day { level *= 1 + home.growth }
        let wanted = min(
            hosts, max(2, Int((level / home.density * (style == .following ? Self.reserve : 1)).rounded(.up))))
        while homes[application].hosts.count < wanted {
            let (one, other) = (generator.integer(in: 0...hosts - 1), generator.integer(in: 0...hosts - 1))
            let chosen = planned[one] <= planned[other] ? one : other
            guard !homes[application].hosts.contains(chosen) else { continue }
            homes[application].hosts.append(chosen)
            planned[chosen] += home.density
        }
    }
}
