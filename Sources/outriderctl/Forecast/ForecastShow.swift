import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ForecastShow: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "The scaling profile of one application, by horizon.",
        discussion: "NOW to PEAK count concurrent VMs; COVERAGE is the share of past forecasts inside [.1, .9].")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.profiler.getScalingProfile(
            .with { $0.application = application }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) {
            var facts = Facts()
            facts.add("application", names[answer.application])
            facts.add("state", answer.state.word)
            facts.add("samples", answer.samples)
            facts.add("concurrent now", answer.current)
            var table = Table([
                .number("HORIZON"), .number("AT .5"), .number("AT .95"), .number("PEAK .5"), .number("PEAK .95"),
                .number("PEAK .99"), .number("LAUNCHES .95"), .number("RANGE"), .number("CONFIDENCE"),
                .number("COVERAGE"), .number("LOSS"),
            ])
            for horizon in answer.horizons {
                table.add([
                    Words.milliseconds(horizon.horizonMs), horizon.concurrent.value(at: 0.5),
                    horizon.concurrent.value(at: 0.95), horizon.peak.value(at: 0.5), horizon.peak.value(at: 0.95),
                    horizon.peak.value(at: 0.99), horizon.launches.value(at: 0.95), String(horizon.rangeSize),
                    Words.fraction(horizon.confidence), Words.fraction(horizon.coverage80),
                    Words.fraction(horizon.loss),
                ])
            }
            return facts.lines + [""] + table.lines
        }
    }
}
