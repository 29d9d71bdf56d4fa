import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// Queries of a Prometheus server, or of anything that speaks its HTTP API v1.
public struct PrometheusClient: Sendable {
    /// An answer of eleven thousand points (the most that Prometheus gives) for some two hundred series.
    public static let standardBytesMax = 64 << 20

    private let base: String
    private let timeout: Duration
    private let bytesMax: Int

    /// - Parameters:
    ///   - base: such as `http://127.0.0.1:9090`; a path before `/api/v1` may follow.
    ///   - timeout: for one query, to the last byte of its answer.
    ///   - bytesMax: longer answers are not read.
    public init(base: String, timeout: Duration, bytesMax: Int = standardBytesMax) {
        self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
        self.timeout = timeout
        self.bytesMax = bytesMax
    }

    /// The value at one moment, of every series.
    ///
    /// - Parameter time: seconds since 1970.
    public func query(_ expression: String, at time: Double) async throws(PrometheusError) -> PrometheusAnswer {
        try await get("query", [("query", expression), ("time", Self.text(time))])
    }

    /// Values every `step` seconds from `start` to `end`, both included; Prometheus refuses more than 11,000.
    public func query(
        _ expression: String, from start: Double, to end: Double, step: Double
    ) async throws(PrometheusError) -> PrometheusAnswer {
        try await get(
            "query_range",
            [
                ("query", expression), ("start", Self.text(start)), ("end", Self.text(end)),
                ("step", Self.text(step)),
            ])
    }

    private func get(_ call: String, _ parameters: [(String, String)]) async throws(PrometheusError) -> PrometheusAnswer
    {
        let limit = Self.text(Double(timeout.components.seconds) + Double(timeout.components.attoseconds) / 1e18)
        let query = (parameters + [("timeout", limit)]).map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
        var request = HTTPClientRequest(url: "\(base)/api/v1/\(call)?\(query)")
        request.headers.add(name: "accept", value: "application/json")
        let (status, bytes) = try await fetch(request)
        // Refusals come with these and say why in the body (Prometheus HTTP API v1, "Format overview").
        guard status == 200 || [400, 422, 503].contains(status) else { throw .http(status: status) }
        do throws(PrometheusError) {
            return try PrometheusAnswer(json: bytes)
        } catch {
            if status != 200, case .malformed = error { throw .http(status: status) }
            throw error
        }
    }

    /// For the life of the process. A refused connection is an answer, and not to be tried until the time is up.
    private static let connections: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .follow(max: 3, allowCycles: false))
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
    }()

    /// The client's own limits end with the head of an answer or begin anew with every byte; this one is for the whole.
    private func fetch(_ request: HTTPClientRequest) async throws(PrometheusError) -> (status: Int, bytes: [UInt8]) {
        let (timeout, bytesMax) = (timeout, bytesMax)
        let result = await withTaskGroup(of: Result<(status: Int, bytes: [UInt8]), PrometheusError>?.self) { group in
            group.addTask { await Self.exchange(request, timeout: timeout, bytesMax: bytesMax) }
            group.addTask {
                try? await Task.sleep(for: timeout)
                return .failure(.slow(limit: timeout))
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? nil
        }
        return try (result ?? .failure(.slow(limit: timeout))).get()
    }

    private static func exchange(
        _ request: HTTPClientRequest, timeout: Duration, bytesMax: Int
    ) async -> Result<(status: Int, bytes: [UInt8]), PrometheusError> {
        do {
            let response = try await connections.execute(request, deadline: .now() + TimeAmount(timeout))
            let body = try await response.body.collect(upTo: bytesMax)
            return .success((Int(response.status.code), Array(body.readableBytesView)))
        } catch is NIOTooManyBytesError {
            return .failure(.oversized(bytesMax: bytesMax))
        } catch let error as HTTPClientError where [.deadlineExceeded, .connectTimeout].contains(error) {
            return .failure(.slow(limit: timeout))
        } catch {
            return .failure(.unreachable(reason: String("\(error)".prefix(300))))
        }
    }

    /// Prometheus reads a point and no exponent; milliseconds are its resolution.
    static func text(_ seconds: Double) -> String {
        let milliseconds = Int64((seconds * 1000).rounded())
        let (whole, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let digits = String(abs(rest))
        return "\(whole).\(String(repeating: "0", count: 3 - digits.count))\(digits)"
    }

    /// RFC 3986: everything but the unreserved characters.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: "~")
            if isPlain {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }
}
