/// One thing that is wrong with a configuration file: where, which key, what, and what to write instead.
public struct ConfigurationProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public var file: String
    /// Line in the file, from 1; nil when the problem is something missing, or the whole file.
    public var line: Int?
    public var key: String?
    /// What is wrong, naming what was found.
    public var problem: String
    /// The values that would be accepted.
    public var expected: String?
    /// What the operator should do.
    public var fix: String

    public init(
        file: String, line: Int? = nil, key: String? = nil, problem: String, expected: String? = nil, fix: String
    ) {
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem
        self.expected = expected
        self.fix = fix
    }

    /// `file:line: key 'x': what is wrong; expected ...; what to do`
    public var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        let subject = key.map { " key '\($0)':" } ?? ""
        let wanted = expected.map { "; expected \($0)" } ?? ""
        return "\(place):\(subject) \(problem)\(wanted); \(fix)"
    }
}

/// Everything that is wrong with a configuration file, so that an operator mends it in one go. Exit code 78.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Never empty; in file order.
    public let problems: [ConfigurationProblem]
    public init(_ problems: [ConfigurationProblem]) {
        precondition(!problems.isEmpty, "a configuration error without a problem")
        self.problems = problems.sorted { ($0.line ?? .max, $0.key ?? "") < ($1.line ?? .max, $1.key ?? "") }
    }
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
