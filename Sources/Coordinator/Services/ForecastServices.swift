import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore
import SwiftProtobuf

/// How each application grows.
struct BehavioralProfilerService: Outrider_V1_BehavioralProfiler.SimpleServiceProtocol {
    let shell: CoordinatorShell

    func getProfile(
        request: Outrider_V1_GetProfileRequest, context: ServerContext
    ) async throws -> Outrider_V1_ScalingProfile {
        Outrider_V1_ScalingProfile(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.profile(request.application)
            })
    }

    func listProfiles(
        request: Outrider_V1_ListProfilesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListProfilesResponse {
        let profiles = try await shell.read { (machine, _) throws(CoordinatorError) in machine.profiles() }
        return .with { $0.profiles = profiles.map(Outrider_V1_ScalingProfile.init) }
    }
}

/// What the allocator decided, and what it will give back.
struct PredictiveAllocatorService: Outrider_V1_PredictiveAllocator.SimpleServiceProtocol {
    let shell: CoordinatorShell

    func listDecisions(
        request: Outrider_V1_ListDecisionsRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListDecisionsResponse {
        let decisions = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.decisions(of: request.application)
        }
        return .with { $0.decisions = decisions.map(Outrider_V1_Decision.init) }
    }

    func getReleaseSchedule(
        request: Outrider_V1_GetReleaseScheduleRequest, context: ServerContext
    ) async throws -> Outrider_V1_ReleaseSchedule {
        let releases = try await shell.read { (machine, now) throws(CoordinatorError) in
            try machine.releaseSchedule(of: request.application, at: now)
        }
        return .with { $0.releases = releases.map(Outrider_V1_ScheduledRelease.init) }
    }
}
