import Allocation
import NetworkTypes

/// A policy by its name and arguments, as on the command line.
public struct PolicyChoice: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case warm(count: Int, order: Int, isRecent: Bool)
        case keep(rest: Duration, order: Int, low: Int, high: Int)
        case naive(quantile: Double)
        /// Nil: the watermark rule.
        case predictive(quantile: Double?, order: Int)
        case value(MarginalPolicy)
        case oracle
        case rows(PolicyRows)
    }

    /// Hosts that took no launch for so long are none of a `recent` warm pool.
    private static let recent = Duration.seconds(86_400)
    /// A surplus of targets that are laid out on hosts lasts so long before it is given back, as in the product.
    private static let hold = Duration.seconds(600)
    let kind: Kind

    /// Decisions that somebody else wrote down.
    public static func rows(_ rows: PolicyRows) -> PolicyChoice { PolicyChoice(kind: .rows(rows)) }

    /// Needs what the profiler learnt before the replay.
    var forecasts: Bool {
        if case .predictive(.some, _) = kind { true } else { false }
    }

    /// Policies that a text names: one, or the sweep of a family where it gives no argument.
    public static func parse(_ text: String) throws(PolicyChoiceError) -> [PolicyChoice] {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let name = fields.first, let family = PolicyFamily(rawValue: name) else { throw .unknown(text) }
        let arguments = Array(fields.dropFirst())
        if arguments.isEmpty, !family.sweep.isEmpty {
            var choices: [PolicyChoice] = []
            for point in family.sweep { choices.append(try family.choice(point, text: text)) }
            return choices
        }
        return [try family.choice(arguments, text: text)]
    }

    /// - Parameter learnt: of every application at the begin of the replay; may be empty unless ``forecasts``.
    func policy(
        for workload: EvaluationWorkload, plan: EvaluationPlan, learnt: [DemandRecorder]
    ) -> any EvaluatedPolicy {
        let (applications, hosts) = (workload.applications.count, plan.hosts)
        let window = plan.decisionInterval + plan.leadTime
        switch kind {
        case .warm(let count, let order, let isRecent):
            return WarmPolicy(
                count: count, order: order, recent: isRecent ? Self.recent : nil, applications: applications,
                hosts: hosts)
        case .keep(let rest, let order, let low, let high):
            return KeepPolicy(rest: rest, order: order, low: low, high: high)
        case .naive(let quantile):
            let rule = NaiveRule(quantile: quantile, window: window, applications: applications)
            return SpreadPolicy(rule, applications: applications, hosts: hosts, hold: Self.hold)
        case .predictive(let quantile, let order):
            let names = EvaluationNames(workload, plan: plan)
            return PredictivePolicy(
                quantile: quantile, order: order, names: names, plan: plan, recorders: quantile == nil ? [] : learnt)
        case .value(let rule):
            let begin = workload.events.first.map { min($0.at, plan.start) } ?? plan.start
            let names = EvaluationNames(workload, plan: plan)
            return ValuePolicy(rule, names: names, plan: plan, begin: begin)
        case .oracle: return OraclePolicy(workload, window: window)
        case .rows(let rows):
            let rule = RowRule(rows, applications: workload.applications)
            return SpreadPolicy(rule, applications: applications, hosts: hosts, hold: Self.hold)
        }
    }
}

/// What is wrong with the name of a policy.
public enum PolicyChoiceError: Error, Hashable, CustomStringConvertible {
    case unknown(String)
    case arguments(String, form: String)

    public var description: String {
        switch self {
        case .unknown(let text):
            "no policy '\(text)'; there are \(PolicyFamily.allCases.map(\.form).joined(separator: ", "))"
        case .arguments(let text, let form): "'\(text)' is not \(form)"
        }
    }
}

/// Kinds of policies; sizes of blocks are powers of two from 4 to 256, durations whole seconds.
public enum PolicyFamily: String, Hashable, Sendable, CaseIterable {
    case warm, blocks, keep, naive, watermark, predictive, value, oracle

    public var form: String {
        switch self {
        case .warm: "warm:N[:SIZE[:recent]]"
        case .blocks: "blocks:SIZE"
        case .keep: "keep:SECONDS[:SIZE[:LOW:HIGH]]"
        case .naive: "naive:QUANTILE"
        case .watermark: "watermark[:SIZE]"
        case .predictive: "predictive:QUANTILE[:SIZE]"
        case .value: "value:RATIO"
        case .oracle: "oracle"
        }
    }

    /// Arguments of the points of its sweep.
    var sweep: [[String]] {
        switch self {
        case .warm:
            ["0", "1", "2", "3", "4", "6", "8"].flatMap { [[$0, "4"], [$0, "4", "recent"]] }
        case .blocks: ["4", "8", "16", "32", "64"].map { [$0] }
        case .keep:
            ["600", "3600", "14400", "28800", "86400"].flatMap { [[$0, "4"], [$0, "4", "8", "16"]] }
        case .naive: ["0.5", "0.9", "0.95", "0.99", "0.999"].map { [$0] }
        case .watermark: ["4", "8", "16"].map { [$0] }
        case .predictive: ["0.5", "0.8", "0.95", "0.99"].flatMap { [[$0, "4"], [$0, "16"]] }
        case .value: ["2", "5", "10", "20", "50", "100", "300"].map { [$0] }
        case .oracle: [[]]
        }
    }

    func choice(_ arguments: [String], text: String) throws(PolicyChoiceError) -> PolicyChoice {
        guard let kind = kind(arguments) else { throw .arguments(text, form: form) }
        return PolicyChoice(kind: kind)
    }

    private func kind(_ arguments: [String]) -> PolicyChoice.Kind? {
        func size(_ place: Int, _ standard: Int = SNIBlock.orders.lowerBound) -> Int? {
            guard place < arguments.count else { return standard }
            return Int(arguments[place]).flatMap { size in
                SNIBlock.orders.first { 1 << $0 == size }
            }
        }
        func number(_ place: Int) -> Int? {
            place < arguments.count ? Int(arguments[place]).flatMap { $0 >= 0 && $0 < 1 << 24 ? $0 : nil } : nil
        }
        func quantile(_ place: Int) -> Double? { Double(arguments[place]).flatMap { $0 > 0 && $0 < 1 ? $0 : nil } }
        switch (self, arguments.count) {
        case (.warm, 1...3):
            guard let count = number(0), let order = size(1), arguments.count < 3 || arguments[2] == "recent" else {
                return nil
            }
            return .warm(count: count, order: order, isRecent: arguments.count == 3)
        case (.blocks, 1):
            return size(0).map { .keep(rest: .zero, order: $0, low: 0, high: 0) }
        case (.keep, 1...2), (.keep, 4):
            guard let seconds = number(0), let order = size(1) else { return nil }
            guard arguments.count == 4 else { return .keep(rest: .seconds(seconds), order: order, low: 0, high: 0) }
            guard let low = number(2), let high = number(3), low <= high else { return nil }
            return .keep(rest: .seconds(seconds), order: order, low: low, high: high)
        case (.naive, 1): return quantile(0).map { .naive(quantile: $0) }
        case (.watermark, 0...1):
            return size(0, Self.standardOrder).map { .predictive(quantile: nil, order: $0) }
        case (.predictive, 1...2):
            guard let quantile = quantile(0), let order = size(1, Self.standardOrder) else { return nil }
            return .predictive(quantile: quantile, order: order)
        case (.value, 1):
            return Double(arguments[0]).flatMap { try? MarginalPolicy(costRatio: $0) }.map { .value($0) }
        case (.oracle, 0): return .oracle
        default: return nil
        }
    }

    /// The product's `block-size`, as an order.
    private static let standardOrder = 4
}
