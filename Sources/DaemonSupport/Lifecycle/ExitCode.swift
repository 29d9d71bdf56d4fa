/// Exit codes of every program, after `sysexits.h`.
public enum ExitCode: Int32, Sendable, CaseIterable {
    case ok = 0
    case failure = 1
    /// A check found disagreements.
    case findings = 2
    /// EX_USAGE: the command line is wrong.
    case usage = 64
    /// EX_UNAVAILABLE: the coordinator or the agent cannot be reached.
    case unavailable = 69
    /// EX_CANTCREAT: an output, device or address cannot be created or is taken.
    case cannotCreate = 73
    /// EX_TEMPFAIL: try again later.
    case temporary = 75
    /// EX_NOPERM: not permitted.
    case permission = 77
    /// EX_CONFIG: the configuration is wrong.
    case configuration = 78

    public var meaning: String {
        switch self {
        case .ok: "success"
        case .failure: "failure"
        case .findings: "check: disagreements found"
        case .usage: "wrong command line"
        case .unavailable: "coordinator or agent not reachable"
        case .cannotCreate: "cannot create a file, device or address, or somebody else holds it"
        case .temporary: "temporary failure, try again"
        case .permission: "not permitted"
        case .configuration: "configuration error"
        }
    }

    /// Table for help texts.
    public static func help(_ codes: [ExitCode]) -> String {
        (["EXIT CODES:"]
            + codes.map { code in
                "  \(code.rawValue)".padded(to: 6) + code.meaning
            }).joined(separator: "\n")
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
