import ArgumentParser
import ControlAPI
import SwiftProtobuf

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Why things are as they are.", subcommands: [ExplainApplication.self])
}

struct ExplainApplication: CoordinatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "app", abstract: "Why an application has the identifiers that it has.",
        discussion: """
            The last decision and its numbers, what decisions asked for and got, what another priority class would be \
            served up to, and what would change it. `forecast explain` tells why it is forecast as it is.
            """)
    @OptionGroup var options: GlobalOptions
    @Argument(help: "Name or id of the application.") var application: String

    func run(_ coordinator: Coordinator, _ output: Output) async throws {
        let answer = try await coordinator.allocator.explainDecision(
            .with { $0.application = application }, options: coordinator.call)
        try output.show(answer) { Self.lines(answer) }
    }

    static func lines(_ answer: Outrider_V1_DecisionExplanation) -> [String] {
        let decision = answer.decision
        var lines: [String] = []
        if answer.hasDecision {
            lines = [
                "target    \(decision.target), owned \(decision.owned), decided \(Words.milliseconds(answer.ageMs)) ago",
                "because   \(decision.reason)",
                "in use    \(decision.inUse), cooling \(decision.cooling), pending \(decision.pending), "
                    + "floor \(decision.floor)",
                "class     \(answer.priority.word): served up to the \(Words.fraction(answer.quantile)) quantile",
                "pool      \(answer.free) free",
            ]
        }
        lines += rule(answer)
        var classes = Table([.text("CLASS"), .number("QUANTILE"), .number("PEAK AHEAD")])
        for outlook in answer.classes {
            classes.add([outlook.priority.word, Words.fraction(outlook.quantile), Words.fraction(outlook.forecast)])
        }
        lines += [""] + classes.lines
        if !answer.outcomes.isEmpty {
            var table = Table([.text("AGO"), .text("OUTCOME"), .text("WHAT")])
            for outcome in answer.outcomes {
                table.add([Words.milliseconds(outcome.ageMs), outcome.kind.word, outcome.text])
            }
            lines += [""] + table.lines
        }
        if !answer.levers.isEmpty { lines += ["", "what would change it"] + answer.levers.map { "  - \($0)" } }
        return lines
    }

    /// The rule of marginal value: what one more identifier would cost and serve.
    private static func rule(_ answer: Outrider_V1_DecisionExplanation) -> [String] {
        guard answer.hasMarginal else { return ["rule      says nothing yet: it speaks after its first five minutes"] }
        let advice = answer.marginal
        var rates: [String] = []
        if advice.hasFloorRate { rates.append("the last kept free \(Words.number(advice.floorRate))") }
        if advice.hasLevelRate { rates.append("the last of the target \(Words.number(advice.levelRate))") }
        if advice.hasNextRate { rates.append("the next \(Words.number(advice.nextRate))") }
        return [
            "rule      hold \(advice.target), keep \(advice.extra) free; \(advice.inUse) ran then",
            "price     \(Words.number(advice.price)) launches for an identifier that idles 5 min, as a miss costs "
                + "\(Words.number(answer.costRatio)) idle hours",
            "margin    launches in 5 min that it alone would serve: " + rates.joined(separator: ", "),
            "expert    levels by \(Words.number(advice.divisor)), floors up to \(advice.floorMax)",
        ]
    }
}

extension Outrider_V1_OutcomeKind {
    fileprivate var word: String {
        switch self {
        case .given: "given"
        case .refused: "refused"
        case .givenBack: "given-back"
        case .taken: "taken"
        case .unspecified: "unknown"
        case .UNRECOGNIZED(let number): "unknown(\(number))"
        }
    }
}
