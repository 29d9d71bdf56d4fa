import ArgumentParser
import ControlAPI

struct ForecastList: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "The scaling profile of every application.",
        discussion: "The peaks are the .5 and .95 quantiles of concurrent VMs over the longest horizon.")
    @OptionGroup var options: GlobalOptions

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.profiler.listScalingProfiles(.init(), options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var table = Table([
                .text("APPLICATION"), .text("STATE"), .number("SAMPLES"), .number("NOW"), .number("HORIZON"),
                .number("PEAK .5"), .number("PEAK .95"), .number("CONFIDENCE"),
            ])
            for profile in answer.profiles {
                let last = profile.horizons.last ?? Outrider_V1_HorizonForecast()
                table.add([
                    names[profile.application], profile.state.word, String(profile.samples), String(profile.current),
                    last.horizonMs == 0 ? "" : Words.milliseconds(last.horizonMs), last.peak.value(at: 0.5),
                    last.peak.value(at: 0.95), last.horizonMs == 0 ? "" : Words.fraction(last.confidence),
                ])
            }
            return table.lines
        }
    }
}
