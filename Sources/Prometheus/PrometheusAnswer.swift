import FoundationEssentials

/// What a query gave.
///
/// Source: Prometheus HTTP API v1, "Expression query result formats".
public struct PrometheusAnswer: Hashable, Sendable {
    /// One value, of one moment.
    public struct Point: Hashable, Sendable {
        /// Seconds since 1970.
        public var time: Double
        /// Any double: NaN and infinities too.
        public var value: Double
        public init(time: Double, value: Double) {
            self.time = time
            self.value = value
        }
    }

    /// One series of the result; its points ascend in time.
    public struct Series: Hashable, Sendable {
        public var labels: [String: String]
        public var points: [Point]
        public init(labels: [String: String], points: [Point]) {
            self.labels = labels
            self.points = points
        }
    }

    public var series: [Series] = []
    /// What Prometheus itself warns of, such as a remote store that gave part of it: the answer may be incomplete.
    public var warnings: [String] = []
    /// Series without a number, such as native histograms.
    public var withoutNumber = 0

    /// - Throws: ``PrometheusError``: `refused`, or `malformed`.
    public init(json: [UInt8]) throws(PrometheusError) {
        let envelope: Envelope
        do {
            envelope = try JSONDecoder().decode(Envelope.self, from: Data(json))
        } catch let error as DecodingError {
            throw .malformed(detail: Self.words(error))
        } catch {
            throw .malformed(detail: "\(error)")
        }
        guard envelope.status == "success" else {
            throw .refused(
                type: Self.bounded(envelope.errorType ?? "no type"),
                message: Self.bounded(envelope.error ?? "no message"))
        }
        guard let data = envelope.data else { throw .malformed(detail: "a success without data") }
        warnings = (envelope.warnings ?? []).prefix(8).map(Self.bounded)
        for row in data.result {
            guard let points = row.values ?? row.value.map({ [$0] }) else {
                withoutNumber += 1
                continue
            }
            series.append(Series(labels: row.metric, points: points.map { Point(time: $0.time, value: $0.value) }))
        }
    }

    /// Texts of others reach our log.
    private static func bounded(_ text: String) -> String { String(text.prefix(300)) }

    private static func words(_ error: DecodingError) -> String {
        let context: DecodingError.Context? =
            switch error {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
                .dataCorrupted(let context):
                context
            @unknown default: nil
            }
        guard let context else { return "not readable" }
        let path = context.codingPath.prefix(6).map(\.stringValue).joined(separator: ".")
        return bounded(path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)")
    }
}

private struct Envelope: Decodable {
    var status: String
    var data: Payload?
    var errorType: String?
    var error: String?
    var warnings: [String]?
}

private struct Payload: Decodable {
    var result: [Row]

    private enum Key: String, CodingKey { case resultType, result }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let type = try container.decode(String.self, forKey: .resultType)
        guard type == "vector" || type == "matrix" else {
            throw DecodingError.dataCorruptedError(
                forKey: .resultType, in: container, debugDescription: "a \(type.prefix(20)), which has no labels")
        }
        result = try container.decode([Row].self, forKey: .result)
    }
}

private struct Row: Decodable {
    var metric: [String: String]
    var value: Sample?
    var values: [Sample]?
}

/// `[seconds, "number"]`.
private struct Sample: Decodable {
    var time: Double
    var value: Double

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        time = try container.decode(Double.self)
        let text = try container.decode(String.self)
        guard let number = Double(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not a number: '\(text.prefix(40))'")
        }
        value = number
    }
}
