import CoordinatorCore
import DaemonSupport
import Forecasting
import NetworkTypes
import Prometheus

/// The coordinator's figures as metrics. Labels are bounded: applications are told of one by one up to ``applicationsMax``.
struct CoordinatorFigures: Sendable {
    /// Each has some thirty series.
    static let applicationsMax = 200

    let status: StatusInfo
    let feed: FeedCounts
    let profiler: ProfilerFigures

    init(_ machine: CoordinatorMachine, at now: Instant) {
        status = machine.status(at: now)
        feed = machine.feed
        profiler = machine.profilerFigures(limit: Self.applicationsMax)
    }

    typealias Sample = MetricFamily.Sample
    typealias Label = MetricFamily.Label

    /// Of a process that learns.
    var profiling: [MetricFamily] { profilerFamilies + forecasts }

    private static func labelled(_ label: String, _ values: KeyValuePairs<String, Int>) -> [Sample] {
        values.map { Sample(Double($0.value), [Label(label, $0.key)]) }
    }

    var process: [MetricFamily] {
        [
            MetricFamily(
                "outrider_info", .gauge, "Version of the coordinator.", [Sample(1, [Label("version", status.version)])]),
            MetricFamily("outrider_uptime_seconds", .gauge, "Time since the start.", Int(status.uptime.inSeconds)),
        ]
    }

    /// Of a process that rules a fleet.
    var ruling: [MetricFamily] {
        let (launches, labelled) = (status.launches, Self.labelled)
        return [
            MetricFamily("outrider_hosts", .gauge, "Hosts known.", status.hosts),
            MetricFamily("outrider_hosts_connected", .gauge, "Hosts connected.", status.hostsConnected),
            MetricFamily("outrider_applications", .gauge, "Applications.", status.applications),
            MetricFamily(
                "outrider_identifiers", .gauge, "Identifiers by state.",
                labelled(
                    "state",
                    [
                        "free": status.free, "reserved": status.reserved, "leased-idle": status.leasedIdle,
                        "bound": status.bound, "reclaiming": status.reclaiming, "quarantined": status.quarantined,
                    ])),
            MetricFamily(
                "outrider_launches_total", .counter, "Launches by where the identifier came from, ever.",
                labelled(
                    "served_from",
                    [
                        "staged": Int(clamping: launches.staged), "leased": Int(clamping: launches.leased),
                        "reserved": Int(clamping: launches.reserved), "cold": Int(clamping: launches.cold),
                    ])),
            MetricFamily(
                "outrider_blocks_staged", .gauge, "Staged blocks: every path answers, or one does not.",
                labelled("paths", ["whole": status.blocksStaged, "partial": status.blocksPartial])),
        ]
    }

    var feedFamilies: [MetricFamily] {
        let labelled = Self.labelled
        return [
            MetricFamily(
                "outrider_profiler_aggregates_total", .counter, "Aggregates of hosts.",
                labelled(
                    "outcome",
                    [
                        "taken": feed.taken - feed.folded - feed.late, "duplicate": feed.duplicates,
                        "folded": feed.folded, "late": feed.late,
                    ])),
            MetricFamily(
                "outrider_profiler_unknown_entries_total", .counter,
                "Entries of aggregates that named no application, or one twice.", feed.strangers),
            MetricFamily(
                "outrider_profiler_unknown_samples_total", .counter,
                "Samples of applications that stayed unknown.", feed.unknown),
            MetricFamily(
                "outrider_profiler_external_samples_total", .counter, "Samples of another source than the agents.",
                labelled(
                    "outcome",
                    [
                        "taken": feed.externalTaken, "overruled": feed.externalOverruled,
                        "disagreeing": feed.externalDisagreeing,
                    ])),
            MetricFamily(
                "outrider_profiler_samples_rejected_total", .counter, "Samples that were not learnt.",
                profiler.rejections.sorted { $0.key < $1.key }.map {
                    Sample(Double($0.value), [Label("reason", $0.key)])
                }),
        ]
    }

    private var profilerFamilies: [MetricFamily] {
        [
            MetricFamily(
                "outrider_profiler_applications", .gauge, "Applications that are followed.",
                [ProfileState.cold, .learning, .ready, .degraded].map {
                    Sample(Double(profiler.states[$0] ?? 0), [Label("state", $0.rawValue)])
                }),
            MetricFamily(
                "outrider_profiler_applications_unfollowed", .gauge, "Applications that are not followed.",
                profiler.unfollowed),
            MetricFamily(
                "outrider_profiler_evicted_total", .counter, "Profiles given up because there were too many.",
                feed.evicted),
            MetricFamily(
                "outrider_profiler_history_bytes", .gauge, "Memory of the pasts of all applications.",
                profiler.historyBytes),
        ]
    }

    private var forecasts: [MetricFamily] {
        func each(_ value: (ForecastFigures) -> Double) -> [Sample] {
            profiler.applications.map { Sample(value($0), [Label("application", $0.name)]) }
        }
        func eachLead(_ value: (ForecastFigures.Lead) -> Double?) -> [Sample] {
            profiler.applications.flatMap { application in
                application.leads.compactMap { lead in
                    value(lead).map {
                        let seconds = MetricsText.number(lead.lead.inSeconds)
                        return Sample($0, [Label("application", application.name), Label("lead_seconds", seconds)])
                    }
                }
            }
        }
        return [
            MetricFamily("outrider_forecast_vms", .gauge, "VMs at the last known sample.", each { Double($0.current) }),
            MetricFamily(
                "outrider_forecast_degraded", .gauge, "1 where the baseline is given: it has been better lately.",
                each { $0.state == .degraded ? 1 : 0 }),
            MetricFamily(
                "outrider_forecast_coverage80_ratio", .gauge,
                "Share of past forecasts inside [.1, .9] over the last days; well calibrated is .8.",
                eachLead(\.coverage80)),
            MetricFamily(
                "outrider_forecast_loss_vms", .gauge, "Mean pinball loss of past forecasts over the last days.",
                eachLead(\.loss)),
            MetricFamily(
                "outrider_forecast_baseline_loss_vms", .gauge, "The same of the last value with its increments.",
                eachLead(\.baselineLoss)),
        ]
    }
}

extension PrometheusCounts.Values {
    private typealias Sample = MetricFamily.Sample
    private typealias Label = MetricFamily.Label

    var families: [MetricFamily] {
        [
            MetricFamily(
                "outrider_prometheus_up", .gauge, "1 when the last query for VMs was answered.", isUp ? 1 : 0),
            MetricFamily(
                "outrider_prometheus_answer_timestamp_seconds", .gauge, "When the last live answer came.",
                answeredAt.map { [Sample($0.rounded())] } ?? []),
            MetricFamily("outrider_prometheus_queries_total", .counter, "Queries.", queries),
            MetricFamily(
                "outrider_prometheus_failures_total", .counter, "Queries without an answer, by what went wrong.",
                PrometheusError.Kind.allCases.map {
                    Sample(Double(failures[$0] ?? 0), [Label("kind", $0.rawValue)])
                }),
            MetricFamily(
                "outrider_prometheus_skipped_total", .counter, "Points and series that were left out, by reason.",
                PrometheusReading.Skip.allCases.map {
                    Sample(Double(skips[$0] ?? 0), [Label("reason", $0.rawValue)])
                }),
            MetricFamily(
                "outrider_prometheus_partial_total", .counter, "Answers not used because they may be incomplete.",
                partial),
            MetricFamily("outrider_prometheus_empty_total", .counter, "Answers without a series.", empty),
            MetricFamily(
                "outrider_prometheus_samples_refused_total", .counter, "Live samples that were not taken, by reason.",
                [
                    Sample(Double(unknown), [Label("reason", "unknown-application")]),
                    Sample(Double(refused), [Label("reason", "too-large")]),
                ]),
            MetricFamily(
                "outrider_prometheus_backfilled_applications_total", .counter,
                "Applications whose past was learnt.", backfilled),
            MetricFamily(
                "outrider_prometheus_backfilled_samples_total", .counter, "Samples of those pasts.", pastSamples),
        ]
    }
}
