import NetworkTypes

/// A policy by its name and arguments, as on the command line.
public struct PolicyChoice: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case warm(count: Int, order: Int, isRecent: Bool)
        case keep(rest: Duration, order: Int)
    }

    /// Hosts that took no launch for so long are none of a `recent` warm pool.
    private static let recent = Duration.seconds(86_400)
    let kind: Kind

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

    func policy(for evaluation: Evaluation) -> any EvaluatedPolicy {
        let (applications, hosts) = (evaluation.workload.applications.count, evaluation.plan.hosts)
        switch kind {
        case .warm(let count, let order, let isRecent):
            return WarmPolicy(
                count: count, order: order, recent: isRecent ? Self.recent : nil, applications: applications,
                hosts: hosts)
        case .keep(let rest, let order): return KeepPolicy(rest: rest, order: order)
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
    case warm, blocks, keep

    public var form: String {
        switch self {
        case .warm: "warm:N[:SIZE[:recent]]"
        case .blocks: "blocks:SIZE"
        case .keep: "keep:SECONDS[:SIZE]"
        }
    }

    /// Arguments of the points of its sweep.
    var sweep: [[String]] {
        switch self {
        case .warm:
            ["1", "2", "3", "4", "6", "8", "12"].flatMap { [[$0, "4"], [$0, "4", "recent"]] }
        case .blocks: ["4", "8", "16", "32", "64"].map { [$0] }
        case .keep: ["600", "3600", "14400", "86400"].map { [$0, "4"] }
        }
    }

    func choice(_ arguments: [String], text: String) throws(PolicyChoiceError) -> PolicyChoice {
        guard let kind = kind(arguments) else { throw .arguments(text, form: form) }
        return PolicyChoice(kind: kind)
    }

    private func kind(_ arguments: [String]) -> PolicyChoice.Kind? {
        func size(_ place: Int) -> Int? {
            guard place < arguments.count else { return SNIBlock.orders.lowerBound }
            return Int(arguments[place]).flatMap { size in
                SNIBlock.orders.first { 1 << $0 == size }
            }
        }
        func number(_ place: Int) -> Int? {
            place < arguments.count ? Int(arguments[place]).flatMap { $0 >= 0 && $0 < 1 << 24 ? $0 : nil } : nil
        }
        switch (self, arguments.count) {
        case (.warm, 1...3):
            guard let count = number(0), let order = size(1), arguments.count < 3 || arguments[2] == "recent" else {
                return nil
            }
            return .warm(count: count, order: order, isRecent: arguments.count == 3)
        case (.blocks, 1):
            return size(0).map { .keep(rest: .zero, order: $0) }
        case (.keep, 1...2):
            guard let seconds = number(0), let order = size(1) else { return nil }
            return .keep(rest: .seconds(seconds), order: order)
        default: return nil
        }
    }
}
