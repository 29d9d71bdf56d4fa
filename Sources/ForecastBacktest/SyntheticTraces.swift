import SimulationKit

extension TraceSet {
    /// Synthetic series of every kind of ``SyntheticSeries/kinds``, in the form of a set of traces: for tests, and for
    /// users without traces of their own. The last four days are scored at twelve origins.
    ///
    /// Unknown samples carry the last known value, as real sets do.
    public static func synthetic(seed: UInt64 = 1, days: Int = 28, samplesPerDay: Int = 288) -> TraceSet {
        let epoch = 1_704_067_200
        let step = 86_400 / samplesPerDay
        return TraceSet(
            series: SyntheticSeries.kinds.enumerated().map { place, kind in
                let made = SyntheticSeries(
                    kind.shape, seed: seed &+ UInt64(place), days: days, samplesPerDay: samplesPerDay)
                var last = 0.0
                let values = made.values.map { value in
                    // Three decimals: what a file keeps.
                    last = (value.map { ($0 * 1000).rounded() / 1000 }) ?? last
                    return last
                }
                let first = values.count - 4 * samplesPerDay - 1
                let origins = (0..<12).map { index in
                    let at = first + index * (3 * samplesPerDay) / 11
                    return Origin(index: at, time: epoch + at * step)
                }
                let changes = (samplesPerDay...first).map { abs(values[$0] - values[$0 - samplesPerDay]) }
                let scale = changes.reduce(0, +) / Double(max(1, changes.count))
                return Series(
                    id: "synthetic_\(kind.name)", values: values, start: epoch,
                    meta: Meta(
                        origin: "synthetic \(kind.name)", stepS: step, periodDay: samplesPerDay,
                        h1: max(1, samplesPerDay / 24), h24: samplesPerDay, maseScale: max(scale, 1e-6)),
                    origins: origins)
            }.sorted { $0.id < $1.id })
    }

    /// The files of a set, by name, as ``init(folder:)`` reads them.
    public var files: [(name: String, text: String)] {
        var demand = "series_id,timestamp,value\n"
        var origins = "series_id,origin_index,origin,h1,h24\n"
        var meta: [String] = []
        for one in series {
            for (index, value) in one.values.enumerated() {
                demand += "\(one.id),\(one.start + index * one.meta.stepS),\(value)\n"
            }
            for origin in one.origins {
                origins += "\(one.id),\(origin.index),\(origin.time),\(one.meta.h1),\(one.meta.h24)\n"
            }
            meta.append(
                """
                "\(one.id)": {"origin": "\(one.meta.origin ?? "")", "step_s": \(one.meta.stepS), \
                "period_day": \(one.meta.periodDay), "h1": \(one.meta.h1), "h24": \(one.meta.h24), \
                "mase_scale": \(one.meta.maseScale)}
                """)
        }
        return [
            ("demand.csv", demand), ("origins.csv", origins), ("meta.json", "{\(meta.joined(separator: ",\n"))}\n"),
        ]
    }
}
