import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ForecastExplain: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Why an application is forecast as it is.",
        discussion: """
            By lead: the weight of each expert in the median (last value, daily profile, a week ago, the last half hour's \
            mean), the share of a deviation from the daily profile that is left after the lead, the factor by which \
            calibration widens .9, and how past forecasts did against the last value with its increments.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.profiler.explainForecast(
            .with { $0.application = application }, options: coordinator.call)
        let names = try await coordinator.applicationNames(for: output)
        try output.show(answer) { Self.facts(answer, name: names[answer.application]) + [""] + Self.leads(answer) }
    }

    private static func facts(_ answer: Outrider_V1_ForecastExplanation, name: String) -> [String] {
        var facts = Facts()
        facts.add("application", name)
        facts.add("state", answer.state.word)
        facts.add("samples", answer.samples)
        facts.add("not learnt", answer.rejected)
        facts.add("given", answer.usesBaseline ? "the baseline: it has been better over the last days" : "the experts")
        facts.add(
            "season, weight a day ahead",
            "day \(Words.fraction(answer.dailyWeight)), "
                + "week \(Words.fraction(answer.weeklyWeight))")
        facts.add("level shift", answer.shift > 0 ? "\(Words.fraction(answer.shift)) certain" : "none")
        if answer.hasLastShiftAgeMs {
            facts.add(
                "last shift",
                "\(Words.milliseconds(answer.lastShiftAgeMs)) ago, by "
                    + "\(Int(answer.lastShiftSize.rounded())) VMs")
        }
        facts.add("widened for liveliness", Words.fraction(answer.liveliness))
        if !answer.indicators.isEmpty { facts.add("leading indicators", answer.indicators.joined(separator: ", ")) }
        return facts.lines
    }

    private static func leads(_ answer: Outrider_V1_ForecastExplanation) -> [String] {
        let experts = (answer.leads.first?.experts ?? []).map(\.expert)
        var table = Table(
            [.number("LEAD"), .number("SCALE")] + experts.map { .number($0.uppercased()) }
                + [.number("LEFT"), .number("WIDENED"), .number("COVERAGE"), .number("LOSS"), .number("BASELINE")]
                + answer.indicators.map { .number($0.uppercased()) })
        for lead in answer.leads {
            let influences = lead.indicators.map { ($0 < 0 ? "-" : "") + Words.fraction(abs($0)) }
            table.add(
                [Words.milliseconds(lead.leadMs), Words.fraction(lead.scale)]
                    + lead.experts.map { Words.fraction($0.middleWeight) }
                    + [
                        Words.fraction(lead.profilePersistence),
                        lead.widening.count > 2 ? Words.fraction(lead.widening[2]) : "",
                        Words.fraction(lead.coverage80), Words.fraction(lead.loss), Words.fraction(lead.baselineLoss),
                    ] + influences + Array(repeating: "", count: max(0, answer.indicators.count - influences.count)))
        }
        return table.lines
    }
}
