import ControlAPI
import ControlAPIMapping
import GRPCCore

/// The profiler's service at a coordinator whose profiler is another process: so that whoever asks the coordinator need not
/// know. Who talks with whom is answered by the coordinator itself.
struct ForecastProxy: Outrider_V1_BehavioralProfiler.SimpleServiceProtocol {
    typealias Profiler = Outrider_V1_BehavioralProfiler.Client<PeerLink.Transport>

    /// A profiler that says nothing for so long is away.
    private static let patience = Duration.seconds(10)

    let link: PeerLink
    let local: BehavioralProfilerService

    /// - Throws: what the profiler refuses with, in its words; `no-profiler` for everything that is no word of it.
    private func ask<Answer: Sendable>(
        timeout: Duration? = patience, _ call: (Profiler, CallOptions) async throws -> Answer
    ) async throws -> Answer {
        var options = CallOptions.defaults
        options.waitForReady = false
        options.timeout = timeout
        options.maxResponseMessageBytes = Server.messageBytesMax
        let client = try link.client()
        do {
            return try await call(Outrider_V1_BehavioralProfiler.Client(wrapping: client), options)
        } catch let error as RPCError {
            // Its metadata is that of another connection; a status of the transport speaks of another connection, too.
            guard let code = error.metadata[stringValues: RPCError.codeKey].first(where: { _ in true }) else {
                throw error.code == .cancelled ? error : link.absence("\(error.code): \(error.message)")
            }
            throw RPCError(code: error.code, message: error.message, metadata: [RPCError.codeKey: .string(code)])
        }
    }

    func getScalingProfile(
        request: Outrider_V1_GetScalingProfileRequest, context: ServerContext
    ) async throws -> Outrider_V1_ScalingProfile {
        try await ask { try await $0.getScalingProfile(request, options: $1) }
    }

    func listScalingProfiles(
        request: Outrider_V1_ListScalingProfilesRequest, context: ServerContext
    ) async throws -> Outrider_V1_ListScalingProfilesResponse {
        try await ask { try await $0.listScalingProfiles(request, options: $1) }
    }

    func watchScalingProfiles(
        request: Outrider_V1_WatchScalingProfilesRequest, response: RPCWriter<Outrider_V1_ScalingProfile>,
        context: ServerContext
    ) async throws {
        try await ask(timeout: nil) { profiler, options in
            try await profiler.watchScalingProfiles(request, options: options) { answer in
                for try await profile in answer.messages { try await response.write(profile) }
            }
        }
    }

    func explainForecast(
        request: Outrider_V1_ExplainForecastRequest, context: ServerContext
    ) async throws -> Outrider_V1_ForecastExplanation {
        try await ask { try await $0.explainForecast(request, options: $1) }
    }

    func getHistory(
        request: Outrider_V1_GetHistoryRequest, context: ServerContext
    ) async throws -> Outrider_V1_History { try await ask { try await $0.getHistory(request, options: $1) } }

    func listCommunication(
        request: Outrider_V1_ListCommunicationRequest, context: ServerContext
    ) async throws -> Outrider_V1_Communication {
        try await local.listCommunication(request: request, context: context)
    }
}
