import FleetSimulation

/// Thirty days of a synthetic fleet: what locality saves in tables, and whether it lasts. Not a matter of the machine:
/// the same seed gives the same figures everywhere.
enum ChurnBenchmark {
    @Sendable static func run() throws {
        var simulation = try ChurnSimulation(ChurnPlan(seed: 1, days: 30, hosts: 200, applications: 300))
        let clock = ContinuousClock()
        let start = clock.now
        let summary = try simulation.run()
        let (locality, random) = (summary[.locality], summary[.random])
        Results.note("churn: routes per (app, remote host)", locality.routesPerRemote, "routes", bar: 1.5)
        Results.note("churn: prefixes per (app, host)", locality.prefixesPerSeat, "prefixes")
        // No growth: the slope is not above nothing by more than chance, two standard errors.
        Results.note(
            "churn: slope of routes, day 10 to 30", locality.routesSlope, "per day", bar: 2 * locality.routesSlopeError)
        Results.note("churn: routes, random / ours", random.routes / locality.routes, "times", floor: 5)
        Results.note("churn: nft elements, random / ours", random.elements / locality.elements, "times", floor: 50)
        Results.note("churn: internal waste", locality.waste * 100, "%", bar: 35)
        Results.note("churn: reclaim rate / peak bind rate", summary.reclaimRatio, "times", floor: 2)
        Results.note("churn: launches that waited, per 1000", summary.waitsPerThousand, "launches")
        let (seconds, _) = start.duration(to: clock.now).components
        Results.note("churn: the run itself", Double(seconds), "s")
    }
}
