/// What can go wrong while a test bed is built or driven; every case says what was tried.
public enum KitError: Error, Sendable, CustomStringConvertible {
    /// A system call failed; `errno` as a positive number.
    case system(operation: String, errno: Int32)
    /// A program ended with a status other than 0.
    case command(line: String, status: Int32, output: String)
    /// An agent refused a call; `error` is the Varlink error name.
    case refused(error: String, detail: String)
    /// Something did not happen in time.
    case timeout(String)
    /// A program answered something that could not be understood.
    case unexpected(String)

    public var description: String {
        switch self {
        case .system(let operation, let errno): "\(operation): errno \(errno)"
        case .command(let line, let status, let output): "'\(line)' ended with \(status): \(output)"
        case .refused(let error, let detail): "\(error): \(detail)"
        case .timeout(let what): "timed out: \(what)"
        case .unexpected(let what): what
        }
    }
}
