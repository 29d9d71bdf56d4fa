import ArgumentParser
import ControlAPI
import GRPCCore
import SwiftProtobuf

struct ForecastWatch: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "The scaling profiles, and again whenever a sample was learnt.",
        discussion:
            "A line for each profile, with the peaks over the longest horizon; with '--output json' an object each. "
            + "Ends with an interrupt.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of an application; all when not given.") var application: String?

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let names = try await coordinator.applicationNames(for: output)
        // Goes on until somebody ends it: no deadline.
        var call = coordinator.call
        call.timeout = nil
        let request = Outrider_V1_WatchScalingProfilesRequest.with { $0.application = application ?? "" }
        try await coordinator.profiler.watchScalingProfiles(request, options: call) { response in
            for try await profile in response.messages {
                try output.show(profile) { [Self.line(profile, name: names[profile.application])] }
            }
        }
    }

    private static func line(_ profile: Outrider_V1_ScalingProfile, name: String) -> String {
        let last = profile.horizons.last ?? Outrider_V1_HorizonForecast()
        let peaks = [0.5, 0.95].map { last.peak.value(at: $0) }
        let ahead =
            peaks.contains("")
            ? "" : ", peak within \(Words.milliseconds(last.horizonMs)) \(peaks[0]) (.5) \(peaks[1]) (.95)"
        return "\(name): \(profile.state.word), \(profile.samples) samples, \(profile.current) VMs\(ahead)"
    }
}
