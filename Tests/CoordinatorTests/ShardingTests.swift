import ControlAPI
import DaemonSupport
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf
import Testing

@testable import Coordinator

/// The sharding document over a real connection, and over a restart.
@Suite struct ShardingTests {
    private static func network(
        _ client: Client
    ) -> Outrider_V1_NetworkManager.Client<HTTP2ClientTransport.Posix> { .init(wrapping: client) }

    private static func range(_ first: UInt32, _ count: UInt32) -> Outrider_V1_Range {
        .with {
            $0.first = first
            $0.count = count
        }
    }

    private static func apply(
        _ document: Outrider_V1_ShardingConfiguration, _ client: Client
    ) async throws -> Outrider_V1_ApplyShardingResponse {
        try await network(client).applySharding(.with { $0.document = document })
    }

    @Test func whatIsAppliedSurvivesARestart() async throws {
        let directory = try TemporaryDirectory()
        let settings = try testSettings(directory.path)
        let applied = try await withCoordinator(settings) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let application = try await sessions.createApplication(.with { $0.name = "web" })
            let first = try await Self.network(client).getSharding(.init())
            #expect(first.version == 1 && first.format == 1 && first.chunkSize == 4096 && first.shards.isEmpty)
            #expect(first.keyFingerprint.count == 16 && first.excluding.isEmpty)
            let granted = try await Self.network(client).allocateRange(
                .with {
                    $0.application = application.id
                    $0.predictedVmCount = 64
                    $0.lifetimeMs = 3_600_000
                }
            ).range
            var document = first
            document.version = 2
            // Half of what is reserved leaves, and something that nobody owns.
            let leaving = Self.range(granted.first, granted.count / 2)
            let other = Self.range(granted.first < 8192 ? 12_280 : 4096, 8)
            document.excluding = [leaving, other].sorted { $0.first < $1.first }
            document.temperature.hotAbove = 9
            let difference = try await Self.network(client).diffSharding(.with { $0.document = document })
            #expect(difference.excluded == document.excluding && difference.included.isEmpty)
            #expect(difference.fromVersion == 1 && difference.toVersion == 2 && difference.temperature.hotAbove == 9)
            // The document is from before the allocation.
            #expect(difference.shards.map(\.application) == [application.id] && difference.shards[0].ranges.isEmpty)
            let answer = try await Self.apply(document, client)
            #expect(answer.excludingLeft == 0 && answer.difference.excluded == document.excluding)
            #expect(answer.difference.shards.isEmpty)
            let free = try await Self.network(client).getCapabilities(.init()).free
            #expect(free == 8192 - granted.count / 2 - leaving.count - other.count)
            return try await Self.network(client).getSharding(.init())
        }
        #expect(applied.version == 2 && applied.shards.count == 1 && applied.temperature.hotAbove == 9)
        let again = try await withCoordinator(settings) { client in
            let again = try await Self.network(client).getSharding(.init())
            var document = again
            document.version = 3
            document.excluding = []
            let answer = try await Self.apply(document, client)
            #expect(answer.difference.included == again.excluding)
            return again
        }
        #expect(again == applied)
        #expect(try await withCoordinator(settings) { try await Self.network($0).getSharding(.init()).version } == 3)
    }

    @Test func whatCannotBeAppliedChangesNothing() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let before = try await Self.network(client).getSharding(.init())
            func refused(_ change: (inout Outrider_V1_ShardingConfiguration) -> Void) async -> String {
                var document = before
                document.version = 2
                change(&document)
                return await refusal { _ = try await Self.apply(document, client) }
            }
            #expect(await refused { $0.version = 1 } == "aborted stale-sharding")
            #expect(await refused { $0.format = 2 } == "failedPrecondition newer-sharding")
            #expect(await refused { $0.format = 0 } == "invalidArgument invalid")
            #expect(await refused { $0.version = .max } == "invalidArgument invalid")
            #expect(await refused { $0.chunkSize = 256 } == "invalidArgument another-pool")
            #expect(await refused { $0.chunkSize = 3 } == "invalidArgument invalid")
            #expect(await refused { $0.keyFingerprint = "0" } == "invalidArgument another-pool")
            #expect(await refused { $0.keyFingerprint = "key" } == "invalidArgument invalid")
            #expect(await refused { $0.blockSizeMax = 512 } == "invalidArgument another-pool")
            #expect(await refused { $0.blockSizeMin = 512 } == "invalidArgument invalid")
            #expect(await refused { $0.clearTemperature() } == "invalidArgument invalid")
            #expect(await refused { $0.temperature.hotAbove = .nan } == "invalidArgument invalid")
            #expect(await refused { $0.temperature.halfLifeMs = 0 } == "invalidArgument invalid")
            #expect(await refused { $0.excluding = [Self.range(0, 4096)] } == "outOfRange outside-pool")
            #expect(await refused { $0.excluding = [Self.range(5000, 0)] } == "invalidArgument invalid")
            #expect(
                await refused { $0.excluding = [Self.range(5000, 9), Self.range(5008, 9)] } == "invalidArgument invalid"
            )
            let nothing = await refusal { _ = try await Self.network(client).applySharding(.init()) }
            #expect(nothing == "invalidArgument invalid")
            let newer = await refusal {
                _ = try await Self.network(client).diffSharding(.with { $0.document = .with { $0.format = 9 } })
            }
            #expect(newer == "failedPrecondition newer-sharding")
            #expect(try await Self.network(client).getSharding(.init()) == before)
        }
    }
}
