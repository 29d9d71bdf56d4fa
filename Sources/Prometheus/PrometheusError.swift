/// Why a query has no answer.
public enum PrometheusError: Error, Hashable, Sendable {
    /// Nothing answers at the address.
    case unreachable(reason: String)
    /// Not answered, or not to the end, within the time allowed.
    case slow(limit: Duration)
    /// An HTTP status other than those with which Prometheus answers a query.
    case http(status: Int)
    /// `status: error`: what Prometheus says of the query, or of itself.
    case refused(type: String, message: String)
    /// Longer than what is read.
    case oversized(bytesMax: Int)
    /// No answer of this interface.
    case malformed(detail: String)

    /// Kinds, for counting.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case unreachable, slow, http, refused, oversized, malformed
    }

    public var kind: Kind {
        switch self {
        case .unreachable: .unreachable
        case .slow: .slow
        case .http: .http
        case .refused: .refused
        case .oversized: .oversized
        case .malformed: .malformed
        }
    }
}

extension PrometheusError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreachable(let reason): "cannot be reached: \(reason)"
        case .slow(let limit): "did not answer within \(limit)"
        case .http(let status): "answered with HTTP status \(status)"
        case .refused(let type, let message): "refused the query (\(type)): \(message)"
        case .oversized(let bytes): "answered with more than \(bytes) bytes"
        case .malformed(let detail): "did not answer as Prometheus does: \(detail)"
        }
    }
}
