import DaemonSupport
import GRPCCore

/// A failure with the words for a person and the status for a script.
struct ControlFailure: Error, Equatable {
    let status: ExitStatus
    let message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// The one table from gRPC status to exit status and advice.
    ///
    /// - Parameters:
    ///   - error: what the call ended with.
    ///   - coordinator: the address that was asked, for the message.
    init(_ error: RPCError, coordinator: String) {
        let text = error.message.isEmpty ? "\(error.code)" : error.message
        switch error.code {
        // It answers, and says why it cannot.
        case .unavailable where error.metadata[stringValues: "outrider-code"].contains(where: { _ in true }):
            self.init(.unavailable, text)
        case .unavailable:
            self.init(
                .unavailable,
                "no coordinator answers at \(coordinator) (\(text)): start outrider-coordinator, or name another address "
                    + "with --coordinator or OUTRIDER_COORDINATOR")
        case .deadlineExceeded:
            self.init(
                .temporary, "the coordinator at \(coordinator) did not answer in time: repeat, or raise --timeout")
        case .unimplemented:
            self.init(
                .unavailable,
                "the server at \(coordinator) does not offer this call (\(text)): is it an outrider-coordinator of this "
                    + "version?")
        case .invalidArgument, .outOfRange: self.init(.usage, text)
        case .alreadyExists: self.init(.cannotCreate, text)
        case .resourceExhausted, .aborted, .cancelled: self.init(.temporary, text)
        case .permissionDenied, .unauthenticated: self.init(.permission, text)
        default: self.init(.failure, text)
        }
    }
}
