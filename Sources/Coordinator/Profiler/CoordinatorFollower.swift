import ControlAPI
import ControlAPIMapping
import CoordinatorCore
import FleetMapping
import GRPCCore
import ServiceLifecycle
import SwiftProtobuf

/// Brings a coordinator's applications and samples to a profiler in a process of its own. While it is away, and while it
/// says nothing, samples are unknown.
struct CoordinatorFollower: Service {
    let link: PeerLink
    let shell: CoordinatorShell

    func run() async throws {
        try await link.run(isFatal: Self.isFatal) { client in
            let feed = Outrider_V1_SampleFeed.Client(wrapping: client)
            let slot = try await shell.read { (machine, _) throws(CoordinatorError) in machine.followedSlot }
            var options = CallOptions.defaults
            options.maxResponseMessageBytes = Server.messageBytesMax
            try await feed.watchSamples(
                .with { $0.afterSlot = UInt64(clamping: slot) }, options: options,
                onResponse: { response in
                    for try await message in response.messages {
                        let batch: SampleBatch
                        do throws(MappingError) { batch = try message.value() } catch { throw RPCError(error) }
                        _ = try await shell.execute(.follow(batch))
                        link.heard()
                    }
                })
        }
    }

    /// Another interval is no matter of time.
    @Sendable private static func isFatal(_ error: any Error) -> Bool {
        (error as? RPCError)?.code == .invalidArgument
    }
}
