import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes

@testable import CoordinatorCore

/// A coordinator whose profiler is elsewhere, and the profiler that follows it.
final class Pair {
    let fleet: Fleet
    let profiler: Fleet
    private var carried = 0

    init(_ configuration: CoordinatorConfiguration = Fleet.seconds, hosts: Int = 2) throws {
        var (theirs, mine) = (configuration, configuration)
        theirs.profiler = .elsewhere
        mine.profiler = .alone
        fleet = try Fleet(theirs, hosts: hosts)
        profiler = try Fleet(mine, hosts: 0)
        fleet.start()
    }

    var whole: SampleBatch {
        SampleBatch(
            slot: fleet.machine.newestSlot, interval: fleet.configuration.aggregateInterval,
            installation: fleet.machine.installation, isWhole: true,
            applications: Array(fleet.machine.applicationsForProfiler().values))
    }

    /// What the coordinator has sampled since the last time.
    func batches() -> [SampleBatch] {
        defer { carried = fleet.log.count }
        return fleet.log[carried...].compactMap { event in
            guard case .sampled(let slot, let samples) = event else { return nil }
            return SampleBatch(
                slot: slot, interval: fleet.configuration.aggregateInterval, installation: fleet.machine.installation,
                samples: samples)
        }
    }

    @discardableResult
    func follow(_ batch: SampleBatch) -> Result<Reply, CoordinatorError> {
        profiler.now = fleet.now
        return profiler.command(.follow(batch))
    }

    /// Everything that is new, both ways.
    func carry() {
        for batch in batches() { follow(batch) }
        tell()
    }

    func tell() {
        let table = profiler.machine.peaks(of: profiler.machine.followedApplications)
        fleet.input(
            .forecasts(
                table.applications.compactMapValues { row in
                    PeakForecast(state: row.state, leads: table.leads, levels: PeakForecast.levels, peaks: row.peaks)
                        .map { ToldProfile(forecast: $0, marginal: row.marginal) }
                }))
    }

    /// What the coordinator may decide by, as the profiler said it.
    func advice(_ application: ApplicationID) -> MarginalAdvice? {
        fleet.machine.marginal(of: application, at: fleet.now)
    }

    func state(_ application: ApplicationID) -> [UInt8]? {
        profiler.machine.state.series[application]?.encoded()
    }
}
