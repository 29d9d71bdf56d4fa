import FleetSimulation

/// Thirty days of a synthetic fleet: what locality saves in tables, and whether it lasts. Not a matter of the machine:
/// the same seed gives the same figures everywhere.
///
/// Every placement is held to the same bars: a figure that holds in one of them must not look as if it held at large.
/// What was tuned on what is said in docs/benchmarks.md.
enum ChurnBenchmark {
    @Sendable static func run() throws {
        for placement in ChurnMix.Placement.allCases { try run(placement) }
    }

    private static func run(_ placement: ChurnMix.Placement) throws {
        var plan = ChurnPlan(seed: 1, days: 30, hosts: 200, applications: 300)
        plan.mix.placement = placement
        var simulation = try ChurnSimulation(plan)
        let clock = ContinuousClock()
        let start = clock.now
        let summary = try simulation.run()
        let (locality, random) = (summary[.locality], summary[.random])
        let name = "churn, \(placement.rawValue)"
        Results.note("\(name): routes per (app, remote host)", locality.routesPerRemote, "routes", bar: 1.5)
        Results.note("\(name): prefixes per (app, host)", locality.prefixesPerSeat, "prefixes")
        // No growth: the slope is not above nothing by more than chance, two standard errors.
        Results.note(
            "\(name): slope of routes, day 10 to 30", locality.routesSlope, "per day",
            bar: 2 * locality.routesSlopeError)
        Results.note("\(name): routes, random / ours", random.routes / locality.routes, "times", floor: 5)
        Results.note("\(name): nft elements, random / ours", random.elements / locality.elements, "times", floor: 50)
        Results.note("\(name): internal waste", locality.waste * 100, "%", bar: 35)
        Results.note("\(name): reclaim rate / peak bind rate", summary.reclaimRatio, "times", floor: 2)
        Results.note("\(name): launches that waited, per 1000", summary.waitsPerThousand, "launches")
        Results.note("\(name): what they waited, mean", summary.waitMean / .milliseconds(1), "ms")
        let (seconds, _) = start.duration(to: clock.now).components
        Results.note("\(name): the run itself", Double(seconds), "s")
    }
}
