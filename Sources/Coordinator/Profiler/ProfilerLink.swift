import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import DaemonSupport
import FleetMapping
import GRPCCore
import NetworkTypes
import ServiceLifecycle
import SwiftProtobuf

/// Brings the forecasts of a profiler in another process to the machine. While it is away the allocator has its watermarks.
struct ProfilerLink: Service {
    let link: PeerLink
    let shell: CoordinatorShell
    /// Time between two tellings: each is good for longer.
    let interval: Duration
    /// How far ahead a decision looks.
    let lead: Duration

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
        let (forecasts, refused) = batch.forecasts()
        await shell.received(forecasts)
        link.heard()
        if let refused { link.complain("some of the profiler's forecasts cannot be read and are left out: \(refused)") }
        let farthest = Duration.milliseconds(Int64(clamping: batch.leadsMs.last ?? 0))
        guard farthest < lead else { return }
        link.complain(
            "the profiler looks \(DurationText.print(farthest)) ahead and decisions need \(DurationText.print(lead)), so "
                + "watermarks decide: give it the horizons, the decision-interval and the lead-time of this coordinator"
        )
    }
}
