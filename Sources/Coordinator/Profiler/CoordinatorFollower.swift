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
        // gRPC carries what is thrown while it reads as a cause.
        try await link.run(fatal: { ($0 as? RPCError)?.cause as? FollowerMismatch ?? $0 as? FollowerMismatch }) {
            client in
            let feed = Outrider_V1_SampleFeed.Client(wrapping: client)
            let slot = try await shell.read { (machine, _) throws(CoordinatorError) in machine.followedSlot }
            var options = CallOptions.defaults
            options.maxResponseMessageBytes = Server.messageBytesMax
            try await feed.watchSamples(
                .with { $0.afterSlot = UInt64(clamping: slot) }, options: options,
                onResponse: { response in for try await message in response.messages { try await take(message) } })
        }
    }

    private func take(_ message: Outrider_V1_SampleBatch) async throws {
        let batch: SampleBatch
        do throws(MappingError) {
            batch = try message.value()
        } catch {
            return link.complain("the coordinator's samples cannot be read and are left out: \(error)")
        }
        do {
            _ = try await shell.execute(.follow(batch))
        } catch let error as RPCError where error.code == .invalidArgument {
            throw FollowerMismatch(why: error.message, endpoint: "\(link.endpoint)")
        }
        link.heard()
    }
}

/// The coordinator is not one that this profiler can learn of, whatever it says later. Exit code 78.
public struct FollowerMismatch: Error, CustomStringConvertible {
    let why: String
    let endpoint: String
    public var description: String { "the coordinator at \(endpoint) is not followed: \(why)" }
}
