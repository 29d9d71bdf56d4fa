import ControlAPI
import GRPCCore
import SwiftProtobuf
import Testing

@testable import Coordinator

/// The unary services over a real connection.
@Suite struct UnaryTests {
    @Test func applicationsAreMadeOnceAndRefusedClearly() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let made = try await sessions.createApplication(.with { $0.name = "web" })
            #expect(made.name == "web" && !made.id.isEmpty && !made.deleting)
            #expect(made.policy.priority == .standard && made.policy.mode == .stage)
            let twice = await refusal { _ = try await sessions.createApplication(.with { $0.name = "web" }) }
            #expect(twice == "alreadyExists duplicate-name")
            let bad = await refusal { _ = try await sessions.createApplication(.with { $0.name = "No Name" }) }
            #expect(bad == "invalidArgument invalid")
            let unknown = await refusal { _ = try await sessions.getApplication(.with { $0.application = "nobody" }) }
            #expect(unknown == "notFound unknown-application")
            let garbled = await refusal { _ = try await sessions.endSession(.with { $0.id = "not-a-uuid" }) }
            #expect(garbled == "invalidArgument invalid")
            let stale = await refusal {
                _ = try await sessions.updateApplication(
                    .with {
                        $0.application = "web"
                        $0.policy = made.policy
                        $0.expectedRevision = made.revision + 1000
                    })
            }
            #expect(stale == "aborted conflict")
            #expect(try await sessions.getApplication(.with { $0.application = made.id }).id == made.id)
            #expect(try await sessions.listApplications(.init()).applications.map(\.name) == ["web"])
        }
    }

    @Test func chosenIdentityMakesRepetitionHarmless() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let request = Outrider_V1_CreateApplicationRequest.with {
                $0.name = "web"
                $0.id = "00000000-0000-4000-8000-000000000001"
            }
            let first = try await sessions.createApplication(request)
            let second = try await sessions.createApplication(request)
            #expect(first.id == request.id && second.id == request.id)
            #expect(try await sessions.listApplications(.init()).applications.count == 1)
        }
    }

    @Test func rangesAreAllocatedOncePerKeyAndWithinThePool() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let sessions = Outrider_V1_SessionManager.Client(wrapping: client)
            let network = Outrider_V1_NetworkManager.Client(wrapping: client)
            _ = try await sessions.createApplication(.with { $0.name = "web" })
            let request = Outrider_V1_AllocateRangeRequest.with {
                $0.application = "web"
                $0.predictedVmCount = 32
                $0.confidence = 0.9
                $0.idempotencyKey = "k1"
            }
            let first = try await network.allocateRange(request)
            let again = try await network.allocateRange(request)
            #expect(first.granted >= 32 && again.range == first.range)
            #expect(again.reservation.id == first.reservation.id)
            #expect(first.range.first >= 4096 && first.range.first + first.range.count <= 12288)
            let reservations = try await network.listReservations(.with { $0.application = "web" }).reservations
            #expect(reservations.contains { $0.id == first.reservation.id && $0.expiresInMs > 0 })
            let unknown = await refusal {
                _ = try await network.allocateRange(
                    .with {
                        $0.application = "nobody"
                        $0.predictedVmCount = 1
                    })
            }
            #expect(unknown == "notFound unknown-application")
            let outside = await refusal {
                _ = try await network.reclaim(
                    .with {
                        $0.sni = 1_000_000
                        $0.reason = "test"
                    })
            }
            #expect(outside == "outOfRange outside-pool")
            let nothing = await refusal { _ = try await network.reclaim(.with { $0.reason = "test" }) }
            #expect(nothing == "invalidArgument invalid")
            let capabilities = try await network.getCapabilities(.init())
            #expect(capabilities.chunkSize == 4096 && capabilities.shuffled && capabilities.blockSizes.contains(16))
        }
    }

    @Test func everyServiceAnswersOnAnEmptyInstallation() async throws {
        let directory = try TemporaryDirectory()
        try await withCoordinator(try testSettings(directory.path)) { client in
            let network = Outrider_V1_NetworkManager.Client(wrapping: client)
            let fleet = Outrider_V1_Fleet.Client(wrapping: client)
            let profiler = Outrider_V1_BehavioralProfiler.Client(wrapping: client)
            let allocator = Outrider_V1_PredictiveAllocator.Client(wrapping: client)
            #expect(try await network.check(.init()).findings.isEmpty)
            #expect(try await network.listRanges(.init()).ranges.isEmpty)
            #expect(try await network.listLeases(.init()).leases.isEmpty)
            #expect(try await network.listReclaimed(.init()).entries.isEmpty)
            #expect(try await fleet.listHosts(.init()).hosts.isEmpty)
            #expect(try await profiler.listScalingProfiles(.init()).profiles.isEmpty)
            #expect(try await allocator.listDecisions(.init()).decisions.isEmpty)
            #expect(try await allocator.getReleaseSchedule(.init()).releases.isEmpty)
            let status = try await fleet.getStatus(.init())
            #expect(status.position.term == 1 && status.hosts == 0 && status.free > 0 && !status.version.isEmpty)
        }
    }
}
