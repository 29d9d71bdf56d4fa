import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import FleetMapping
import GRPCCore
import Logging
import NetworkTypes
import ServiceLifecycle
import SwiftProtobuf

/// Brings the forecasts of a profiler in another process to the machine. While it is away the allocator has its watermarks.
struct ProfilerLink: Service {
    let link: PeerLink
    let shell: CoordinatorShell
    /// Time between two tellings: each is good for longer.
    let interval: Duration
    let logger: Logger

    func run() async throws {
        try await link.run { client in
            let peaks = Outrider_V1_PeakFeed.Client(wrapping: client)
            var options = CallOptions.defaults
            options.maxResponseMessageBytes = Server.messageBytesMax
            try await peaks.watchPeaks(
                .with { $0.everyMs = milliseconds(interval) }, options: options,
                onResponse: { response in
                    for try await batch in response.messages { await take(batch) }
                })
        }
    }

    private func take(_ batch: Outrider_V1_PeakBatch) async {
        do throws(MappingError) {
            await shell.received(try batch.forecasts())
            link.heard()
        } catch {
            logger.warning("the profiler's forecasts cannot be read and are left out: \(error)")
        }
    }
}
