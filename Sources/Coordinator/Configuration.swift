import CoordinatorCore
import DaemonSupport
import Forecasting

extension CoordinatorConfiguration {
    /// The machine's settings out of the checked configuration file.
    init(
        _ settings: CoordinatorSettings, calendar: SeriesCalendar? = nil, profiler: ProfilerPlace = .here,
        version: String
    ) {
        self.init(
            pool: settings.pool, excluded: settings.excluded, chunkSize: settings.chunkSize,
            blockSize: settings.blockSize, overlay: settings.overlay, overlayMTU: settings.overlayMTU,
            vxlanPort: settings.vxlanPort, aggregateInterval: settings.aggregateInterval,
            decisionInterval: settings.decisionInterval, leadTime: settings.leadTime, horizons: settings.horizons,
            cooldown: settings.cooldown, quarantine: settings.quarantine,
            reservationLifetime: settings.reservationLifetime, standardLifetime: settings.standardLifetime,
            bindUntil: settings.bindUntil, unreachableAfter: settings.unreachableAfter,
            drainTimeout: settings.drainTimeout, profilesMax: settings.profilesMax, calendar: calendar,
            costRatios: settings.costRatios,
            hostWeights: Dictionary(settings.hostWeights.map { ($0.host, $0.weight) }, uniquingKeysWith: { $1 }),
            profiler: profiler, version: version)
    }
}

extension CoordinatorSettings {
    fileprivate var costRatios: CostRatios {
        let ratios = try? CostRatios(
            critical: Double(costRatioCritical), standard: Double(costRatioStandard), batch: Double(costRatioBatch))
        guard let ratios else { preconditionFailure("the format of cost-ratio admits what CostRatios refuses") }
        return ratios
    }

    /// A fifth of the shortest period that the machine keeps, so that nothing is late by more than that.
    var tickInterval: Duration {
        [aggregateInterval, decisionInterval, quarantine, unreachableAfter, drainTimeout].reduce(leadTime, min) / 5
    }
}
