import ControlAPI
import GRPCCore

/// The profiler's service at a coordinator whose profiler is another process: so that whoever asks the coordinator need not
/// know. Who talks with whom is answered by the coordinator itself.
struct ForecastProxy: Outrider_V1_BehavioralProfiler.SimpleServiceProtocol {
    let link: PeerLink
    let local: BehavioralProfilerService

    private func profiler() throws(RPCError) -> Outrider_V1_BehavioralProfiler.Client<PeerLink.Transport> {
        Outrider_V1_BehavioralProfiler.Client(wrapping: try link.client())
    }

    private var options: CallOptions {
        var options = CallOptions.defaults
        options.waitForReady = false
        options.maxResponseMessageBytes = Server.messageBytesMax
        return options
    }

    func getScalingProfile(
        request: Outrider_V1_GetScalingProfileRequest, context: ServerContext
    ) async throws -> Outrider_V1_ScalingProfile { try await profiler().getScalingProfile(request, options: options) }

    func listScalingProfiles(
        request: Outrider_V1_ListScalingProfilesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListScalingProfilesResponse {
        try await profiler().listScalingProfiles(request, options: options)
    }

    func watchScalingProfiles(
        request: Outrider_V1_WatchScalingProfilesRequest, response: RPCWriter<Outrider_V1_ScalingProfile>,
        context: ServerContext
    ) async throws {
        try await profiler().watchScalingProfiles(request, options: options) { answer in
            for try await profile in answer.messages { try await response.write(profile) }
        }
    }

    func explainForecast(
        request: Outrider_V1_ExplainForecastRequest, context: ServerContext
    ) async throws -> Outrider_V1_ForecastExplanation {
        try await profiler().explainForecast(request, options: options)
    }

    func getHistory(
        request: Outrider_V1_GetHistoryRequest, context: ServerContext
    ) async throws -> Outrider_V1_History { try await profiler().getHistory(request, options: options) }

    func listCommunication(
        request: Outrider_V1_ListCommunicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Communication {
        try await local.listCommunication(request: request, context: context)
    }
}
