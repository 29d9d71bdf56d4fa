import CoordinatorCore
import DaemonSupport
import NetworkTypes
import Prometheus

/// Values by application label and moment, for every measure that was answered.
struct PrometheusTable: Hashable, Sendable {
    typealias Measure = PrometheusSettings.Measure

    /// Seconds since 1970, rounded to milliseconds: the same moment of two queries is the same key.
    struct Moment: Hashable, Comparable, Sendable {
        var milliseconds: Int64
        init(_ seconds: Double) { milliseconds = Int64((seconds * 1000).rounded()) }
        static func < (lhs: Self, rhs: Self) -> Bool { lhs.milliseconds < rhs.milliseconds }
        var seconds: Double { Double(milliseconds) / 1000 }
    }

    /// By measure, then label, then moment.
    var values: [Measure: [String: [Moment: Double]]] = [:]

    mutating func add(_ reading: PrometheusReading, _ measure: Measure) {
        values[measure] = reading.series.mapValues { points in
            Dictionary(points.map { (Moment($0.time), $0.value) }, uniquingKeysWith: { _, last in last })
        }
    }

    /// Names that VMs were told of.
    var names: [String] { (values[.vms] ?? [:]).keys.sorted() }

    /// Moments that VMs of a name were told of, ascending.
    func moments(of name: String) -> [Moment] { (values[.vms]?[name] ?? [:]).keys.sorted() }

    /// What one aggregate interval within the step that ends at a moment saw; nil without a number of VMs.
    ///
    /// - Parameters:
    ///   - share: the interval by the step: what is added within a step is spread over it.
    ///   - isFirst: launches of a step are counted in its first interval.
    func sample(of name: String, at moment: Moment, share: Double, isFirst: Bool = true) -> ExternalSample? {
        func value(_ measure: Measure) -> Double? { values[measure]?[name]?[moment] }
        func amount(_ measure: Measure) -> UInt64? {
            value(measure).map { value in
                let amount = measure.isAdded ? value * share : value
                return amount < 0x1p63 ? UInt64(amount.rounded()) : 1 << 63
            }
        }
        func count(_ value: Double) -> Int { value < 0x1p53 ? Int(value.rounded()) : 1 << 53 }
        guard let vms = value(.vms) else { return nil }
        return ExternalSample(
            application: name, vms: count(vms), launches: value(.launches).map { isFirst ? count($0) : 0 },
            usage: FleetSample.Usage(
                cpu: value(.cpu).map { $0 * share }, memory: amount(.memory), received: amount(.received),
                sent: amount(.sent)))
    }
}

/// Asks Prometheus for all measures at once, and counts what went wrong.
struct PrometheusSource: Sendable {
    typealias Measure = PrometheusSettings.Measure

    /// Points of a series in one query; Prometheus gives 11,000.
    static let pointsMax = 5_000
    /// Annotations of Prometheus about the query, not about missing data.
    private static let remarks = ["PromQL info:", "PromQL warning:"]

    let settings: PrometheusSettings
    let client: PrometheusClient
    let counts: PrometheusCounts

    init(_ settings: PrometheusSettings, counts: PrometheusCounts, bytesMax: Int = PrometheusClient.standardBytesMax) {
        self.settings = settings
        self.counts = counts
        client = PrometheusClient(base: settings.base, timeout: settings.timeout, bytesMax: bytesMax)
    }

    var stepSeconds: Double { settings.step.inSeconds }

    /// All measures at one moment; measures other than VMs may be missing.
    ///
    /// - Throws: what kept VMs from being told.
    func now(at time: Double) async throws(PrometheusError) -> PrometheusTable {
        try await table(moments: time - stepSeconds...time + stepSeconds) { (query) throws(PrometheusError) in
            try await client.query(query, at: time)
        }
    }

    /// All measures at every step from `start` to `end`.
    ///
    /// - Throws: what kept VMs from being told.
    func past(from start: Double, to end: Double) async throws(PrometheusError) -> PrometheusTable {
        try await table(moments: start - 0.001...end + 0.001) { (query) throws(PrometheusError) in
            try await client.query(query, from: start, to: end, step: stepSeconds)
        }
    }

    private func table(
        moments: ClosedRange<Double>,
        _ ask: @escaping @Sendable (String) async throws(PrometheusError) -> PrometheusAnswer
    ) async throws(PrometheusError) -> PrometheusTable {
        let asked = settings.queries
        let answers = await withTaskGroup(
            of: (Measure, Result<PrometheusAnswer, PrometheusError>).self
        ) { group in
            for (measure, query) in asked {
                let text = query.replacing("$step", with: stepText)
                group.addTask {
                    do throws(PrometheusError) { return (measure, .success(try await ask(text))) } catch {
                        return (measure, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        var table = PrometheusTable()
        var failure: PrometheusError?
        for (measure, answer) in answers {
            counts.update { $0.queries += 1 }
            switch answer {
            case .success(let answer):
                if let reading = read(answer, moments) { table.add(reading, measure) }
            case .failure(let error):
                counts.update { $0.failures[error.kind, default: 0] += 1 }
                if measure == .vms { failure = error }
            }
        }
        counts.update { $0.isUp = failure == nil }
        if let failure { throw failure }
        return table
    }

    private var stepText: String { "\(Int64((stepSeconds * 1000).rounded()))ms" }

    /// Nil for what may be half of the truth, which would look like a scale-in.
    private func read(_ answer: PrometheusAnswer, _ moments: ClosedRange<Double>) -> PrometheusReading? {
        let isPartial = answer.warnings.contains { warning in !Self.remarks.contains { warning.hasPrefix($0) } }
        guard !isPartial else {
            counts.update { $0.partial += 1 }
            return nil
        }
        let reading = PrometheusReading(answer, label: settings.label, moments: moments)
        counts.update { counts in
            if reading.series.isEmpty { counts.empty += 1 }
            counts.skips.merge(reading.skipped, uniquingKeysWith: +)
        }
        return reading
    }
}
