import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore
import NetworkTypes

/// What a coordinator decides by whose profiler is this process.
struct PeakFeedService: Outrider_V1_PeakFeed.SimpleServiceProtocol {
    /// Applications per message, computed without a pause of the machine in between.
    private static let batchSize = 1000

    let shell: CoordinatorShell
    let clock: CoordinatorClock

    func watchPeaks(
        request: Outrider_V1_WatchPeaksRequest, response: RPCWriter<Outrider_V1_PeakBatch>, context: ServerContext
    ) async throws {
        let every = try filter { () throws(MappingError) in try request.interval() }
        var last: Instant?
        // What has learnt nothing new steers nobody.
        for await _ in shell.samples.watch() {
            let now = clock.now
            if let last, now - last < every { continue }
            last = now
            let all = try await shell.read { (machine, _) throws(CoordinatorError) in machine.followedApplications }
            // One at least, so that the coordinator knows that somebody is there.
            for start in stride(from: 0, to: max(1, all.count), by: Self.batchSize) {
                let some = all[start..<min(all.count, start + Self.batchSize)]
                let table = try await shell.read { (machine, _) throws(CoordinatorError) in machine.peaks(of: some) }
                try await response.write(Outrider_V1_PeakBatch(table))
            }
        }
    }
}
