import ControlAPI
import ControlAPIMapping
import FleetMapping
import CoordinatorCore
import GRPCCore
import NetworkTypes
import SwiftProtobuf

/// How each application grows.
struct BehavioralProfilerService: Outrider_V1_BehavioralProfiler.SimpleServiceProtocol {
    let shell: CoordinatorShell

    func getScalingProfile(
        request: Outrider_V1_GetScalingProfileRequest, context: ServerContext
    ) async throws -> Outrider_V1_ScalingProfile {
        Outrider_V1_ScalingProfile(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.profile(request.application)
            })
    }

    func listScalingProfiles(
        request: Outrider_V1_ListScalingProfilesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListScalingProfilesResponse {
        let profiles = try await shell.read { (machine, _) throws(CoordinatorError) in machine.profiles() }
        return .with { $0.profiles = profiles.map(Outrider_V1_ScalingProfile.init) }
    }

    func watchScalingProfiles(
        request: Outrider_V1_WatchScalingProfilesRequest,
        response: RPCWriter<Outrider_V1_ScalingProfile>, context: ServerContext
    ) async throws {
        let reference = request.application
        var told: [ApplicationID: Int] = [:]
        for await _ in shell.samples.watch() {
            let profiles = try await shell.read { (machine, _) throws(CoordinatorError) in
                reference.isEmpty ? machine.profiles() : [try machine.profile(reference)]
            }
            for profile in profiles where told[profile.application] != profile.samples {
                told[profile.application] = profile.samples
                try await response.write(Outrider_V1_ScalingProfile(profile))
            }
        }
    }

    func explainForecast(
        request: Outrider_V1_ExplainForecastRequest, context: ServerContext
    ) async throws -> Outrider_V1_ForecastExplanation {
        Outrider_V1_ForecastExplanation(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.explanation(of: request.application)
            })
    }
}

extension BehavioralProfilerService {
    func getHistory(
        request: Outrider_V1_GetHistoryRequest, context: ServerContext
    ) async throws -> Outrider_V1_History {
        let resolution = try filter { () throws(MappingError) in try HistoryResolution(request.resolution) }
        let count = request.last == 0 ? Int.max : Int(request.last)
        let info = try await shell.read { (machine, _) throws(CoordinatorError) in
            try machine.history(of: request.application, resolution, last: count)
        }
        return Outrider_V1_History(info, now: CoordinatorClock.wall)
    }

    func listCommunication(
        request: Outrider_V1_ListCommunicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Communication {
        let limit = request.limit == 0 ? 100 : Int(request.limit)
        return Outrider_V1_Communication(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.communication(of: request.application, limit: limit)
            })
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

    func explainDecision(
        request: Outrider_V1_ExplainDecisionRequest, context: ServerContext
    ) async throws -> Outrider_V1_DecisionExplanation {
        Outrider_V1_DecisionExplanation(
            try await shell.read { (machine, now) throws(CoordinatorError) in
                try machine.decisionExplanation(of: request.application, at: now)
            })
    }

    func placementHints(
        request: Outrider_V1_PlacementHintsRequest, context: ServerContext
    ) async throws -> Outrider_V1_PlacementHintsResponse {
        Outrider_V1_PlacementHintsResponse(
            try await shell.read { (machine, _) throws(CoordinatorError) in
                try machine.placementHints(for: request.application, count: Int(request.count))
            })
    }
}
