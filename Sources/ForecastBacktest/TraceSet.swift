public import FoundationEssentials

/// A set of demand series with the origins at which forecasts are scored: `meta.json`, `demand.csv` or `demand.csv.gz`,
/// `origins.csv` in one folder.
public struct TraceSet: Sendable {
    /// One series.
    public struct Series: Sendable {
        public var id: String
        public var values: [Double]
        /// Of the first sample, seconds since 1970.
        public var start: Int
        public var meta: Meta
        public var origins: [Origin]
    }

    /// What scoring needs of `meta.json`.
    public struct Meta: Codable, Sendable {
        /// Where the series comes from, for leaving sources out.
        public var origin: String?
        /// Seconds between samples.
        public var stepS: Int
        /// Samples per day.
        public var periodDay: Int
        /// Samples of an hour and of a day.
        public var h1: Int
        public var h24: Int
        /// In-sample seasonal naive error that losses are divided by.
        public var maseScale: Double
        /// Launches and stops were taken down where they happened, not made from samples of a load.
        public var isTrue: Bool?

        enum CodingKeys: String, CodingKey {
            case origin, h1, h24
            case isTrue = "true_events"
            case stepS = "step_s"
            case periodDay = "period_day"
            case maseScale = "mase_scale"
        }

        public init(origin: String?, stepS: Int, periodDay: Int, h1: Int, h24: Int, maseScale: Double) {
            self.origin = origin
            self.stepS = stepS
            self.periodDay = periodDay
            self.h1 = h1
            self.h24 = h24
            self.maseScale = maseScale
        }
    }

    /// Samples up to and with this one may be used.
    public struct Origin: Sendable, Hashable {
        public var index: Int
        /// Seconds since 1970.
        public var time: Int
        public init(index: Int, time: Int) {
            self.index = index
            self.time = time
        }
    }

    /// By identifier.
    public var series: [Series]

    public init(series: [Series]) { self.series = series }
}

/// Why a set of traces cannot be read.
public enum TraceError: Error, CustomStringConvertible {
    case unreadable(path: String, cause: any Error)
    case compressed(path: String, cause: InflateError)
    case malformed(path: String, line: Int)
    /// A series of `demand` that `meta.json` does not describe.
    case undescribed(series: String)

    public var description: String {
        switch self {
        case .unreadable(let path, let cause): "cannot read \(path): \(cause)"
        case .compressed(let path, let cause): "cannot decompress \(path): \(cause)"
        case .malformed(let path, let line): "\(path), line \(line): not what was expected"
        case .undescribed(let series): "series \(series) is not described in meta.json"
        }
    }
}

extension TraceSet {
    public init(folder: URL) throws(TraceError) {
        let meta = try Self.meta(folder.appending(path: "meta.json"))
        let origins = try Self.origins(folder.appending(path: "origins.csv"))
        let (path, text) = try Self.table("demand", in: folder)
        var values: [String: (start: Int, values: [Double])] = [:]
        var line = 1
        for row in text.split(separator: UInt8(ascii: "\n")).dropFirst() {
            line += 1
            let fields = row.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            guard fields.count >= 3, let time = Int(String(decoding: fields[1], as: UTF8.self)),
                let value = Double(String(decoding: fields[2], as: UTF8.self))
            else { throw .malformed(path: path, line: line) }
            values[String(decoding: fields[0], as: UTF8.self), default: (time, [])].values.append(value)
        }
        series = []
        for (id, demand) in values.sorted(by: { $0.key < $1.key }) {
            guard let own = meta[id] else { throw .undescribed(series: id) }
            series.append(
                Series(id: id, values: demand.values, start: demand.start, meta: own, origins: origins[id] ?? []))
        }
    }

    /// `NAME.csv` or `NAME.csv.gz`.
    static func table(_ name: String, in folder: URL) throws(TraceError) -> (path: String, text: [UInt8]) {
        let plain = folder.appending(path: "\(name).csv")
        guard !FileManager.default.fileExists(atPath: plain.path) else { return (plain.path, try read(plain)) }
        let packed = folder.appending(path: "\(name).csv.gz")
        let bytes = try read(packed)
        do { return (packed.path, try Inflate.gunzip(bytes)) } catch {
            throw .compressed(path: packed.path, cause: error)
        }
    }

    private static func read(_ url: URL) throws(TraceError) -> [UInt8] {
        do { return [UInt8](try Data(contentsOf: url)) } catch { throw .unreadable(path: url.path, cause: error) }
    }

    static func meta(_ url: URL) throws(TraceError) -> [String: Meta] {
        let data = Data(try read(url))
        do {
            return try JSONDecoder().decode([String: Meta].self, from: data)
        } catch { throw .unreadable(path: url.path, cause: error) }
    }

    /// By series; columns series_id, origin_index, origin.
    private static func origins(_ url: URL) throws(TraceError) -> [String: [Origin]] {
        var result: [String: [Origin]] = [:]
        let text = String(decoding: try read(url), as: UTF8.self)
        for (line, row) in text.split(whereSeparator: \.isNewline).enumerated().dropFirst() {
            let fields = row.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count >= 3, let index = Int(fields[1]), let time = Int(fields[2]) else {
                throw .malformed(path: url.path, line: line + 1)
            }
            result[String(fields[0]), default: []].append(Origin(index: index, time: time))
        }
        return result
    }
}
