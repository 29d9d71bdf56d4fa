import NetworkTypes

/// What a churn run prints and draws.
public struct ChurnReport: Sendable {
    private let summary: ChurnSummary
    private let samples: [ChurnScheme: [ChurnSample]]

    public init(_ summary: ChurnSummary, samples: [ChurnScheme: [ChurnSample]]) {
        self.summary = summary
        self.samples = samples
    }

    private static let figures: [(name: String, value: @Sendable (ChurnSummary.Row) -> String)] = [
        ("routes per host, mean", { fixed($0.routes, 0) }), ("routes per host, most", { "\($0.routesMax)" }),
        ("nexthops per host, mean", { fixed($0.nexthops, 0) }),
        ("nft elements per host, mean", { fixed($0.elements, 0) }),
        ("nft elements per host, most", { "\($0.elementsMax)" }), ("VNIs per host, mean", { fixed($0.vnis, 1) }),
        ("extents per application, mean", { fixed($0.extents, 1) }),
        ("routes per (application, remote host)", { fixed($0.routesPerRemote, 3) }),
        ("their slope per day", { fixed($0.routesSlope, 4) + " ± " + fixed($0.routesSlopeError, 4) }),
        ("prefixes per (application, host)", { fixed($0.prefixesPerSeat, 2) }),
        ("its slope per day", { fixed($0.slope, 4) + " ± " + fixed($0.slopeError, 4) }),
        ("internal waste", { fixed($0.waste * 100, 1) + " %" }),
    ]

    private var facts: [(name: String, value: String)] {
        let scaleIn = summary.scaleIn
        return [
            ("launches", "\(summary.launches)"), ("launches without a reachable host", "\(summary.refused)"),
            ("VMs, mean", fixed(summary.vmsMean, 0)),
            ("leases per 1000 launches", fixed(summary.leasesPerThousand, 1)),
            ("launches that waited for staging, per 1000", fixed(summary.waitsPerThousand, 1)),
            ("their wait, mean, ms", fixed(summary.waitMean.inSeconds * 1000, 1)),
            ("their wait, most, ms", fixed(summary.waitMax.inSeconds * 1000, 0)),
            ("blocks reclaimed", "\(summary.freedBlocks)"),
            ("removals owed by unreachable peers", "\(summary.debts)"),
            ("peak bind rate, 1/s", fixed(summary.bindPeak, 1)),
            ("mass scale-in: VMs stopped", "\(scaleIn.stopped)"),
            ("mass scale-in: identifiers reclaimed", "\(scaleIn.freed)"),
            ("mass scale-in: empty and unreachable", "\(scaleIn.waiting)"),
            ("reclaim rate with all rests, 1/s", fixed(scaleIn.sustainedRate, 1)),
            ("reclaim rate while it flows, 1/s", fixed(scaleIn.flowRate, 1)),
            ("reclaim rate with all rests / peak bind rate", fixed(summary.reclaimRatio, 1)),
        ]
    }

    /// A table in Markdown, which also reads well on a terminal.
    public var table: String {
        let plan = summary.plan
        var lines = [
            "churn: seed \(plan.seed), \(plan.days) days, \(plan.hosts) hosts, \(plan.applications) applications, "
                + "placement \(plan.mix.placement.rawValue); means from day \(fixed(summary.settled, 1)) on",
            "", "| | " + summary.rows.map(\.scheme.rawValue).joined(separator: " | ") + " |",
            "|---|" + summary.rows.map { _ in "---:|" }.joined(),
        ]
        for figure in Self.figures {
            lines.append("| \(figure.name) | " + summary.rows.map(figure.value).joined(separator: " | ") + " |")
        }
        lines += ["", "| | |", "|---|---:|"] + facts.map { "| \($0.name) | \($0.value) |" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The same figures by name, and the samples as columns.
    public var json: String {
        func object(_ pairs: [(String, String)]) -> String {
            "{" + pairs.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
        }
        let schemes = summary.rows.map { row -> (String, String) in
            let taken = samples[row.scheme] ?? []
            func column(_ value: (ChurnSample) -> Double) -> String {
                "[" + taken.map { fixed(value($0), 4) }.joined(separator: ",") + "]"
            }
            return (
                row.scheme.rawValue,
                object(
                    Self.figures.map { ($0.name, "\"\($0.value(row))\"") } + [
                        ("day", column(\.day)), ("routes", column(\.routesMean)), ("elements", column(\.elementsMean)),
                        ("vnis", column(\.vnisMean)), ("extents", column(\.extentsMean)), ("waste", column(\.waste)),
                        ("routesPerRemote", column(\.routesPerRemote)),
                    ])
            )
        }
        return object(
            [("seed", "\(summary.plan.seed)"), ("days", "\(summary.plan.days)")]
                + facts.map { ($0.name, $0.value) } + [("schemes", object(schemes))]) + "\n"
    }

    /// Charts by file name.
    public var charts: [(name: String, svg: String)] {
        func chart(_ title: String, _ unit: String, log: Bool, _ value: (ChurnSample) -> Double) -> String {
            let series = ChurnScheme.allCases.map { scheme in
                let taken = samples[scheme] ?? []
                // Four points a day are enough to see the day, and keep the file small.
                let every = max(1, taken.count / (4 * max(1, summary.plan.days)))
                let points = stride(from: 0, to: taken.count, by: every).map { (taken[$0].day, value(taken[$0])) }
                return Chart.Series(name: scheme.rawValue, points: points)
            }
            return Chart(title: title, yLabel: unit, isLogarithmic: log, series: series).svg
        }
        return [
            ("churn-routes.svg", chart("Routes per host", "mean, one address family", log: true, \.routesMean)),
            ("churn-elements.svg", chart("nft elements per host", "mean, one family", log: true, \.elementsMean)),
            ("churn-extents.svg", chart("Extents per application", "mean", log: true, \.extentsMean)),
            ("churn-waste.svg", chart("Internal waste", "leased and unused, %", log: false) { $0.waste * 100 }),
        ]
    }
}
