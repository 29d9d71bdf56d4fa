/// What a decision needs of a forecast, as numbers that can travel: quantiles of the running peak at some leads.
///
/// Between leads and between levels linear. A lead below the first has the first one's peaks, which are no lower; one
/// beyond the last is not known.
public struct PeakForecast: DemandForecast, Hashable {
    /// Those of ``Quantile/levels``, and that of the batch class.
    public static let levels: [Double] = (Quantile.levels + [0.8]).sorted()

    public let state: ProfileState
    /// Ascending.
    public let leads: [Duration]
    /// Between 0 and 1, ascending.
    public let levels: [Double]
    /// VMs, by lead, then by level: no fewer with the level.
    private let peaks: [Double]

    /// - Parameter peaks: by lead, then by level; those of the longest leads may be missing.
    /// - Returns: nil for numbers that can be no forecast: crossing quantiles, what is negative or not finite, leads or
    ///   levels that do not ascend.
    public init?(state: ProfileState, leads: [Duration], levels: [Double], peaks: [Double]) {
        guard !levels.isEmpty, peaks.count <= leads.count * levels.count, peaks.count.isMultiple(of: levels.count),
            Self.ascends(leads), leads.first ?? .seconds(1) > .zero, Self.ascends(levels),
            levels.allSatisfy({ $0 > 0 && $0 < 1 }), peaks.allSatisfy({ $0.isFinite && $0 >= 0 })
        else { return nil }
        for start in stride(from: 0, to: peaks.count, by: levels.count) {
            let row = peaks[start..<start + levels.count]
            guard zip(row, row.dropFirst()).allSatisfy({ $0 <= $1 }) else { return nil }
        }
        self.state = state
        self.leads = Array(leads.prefix(peaks.count / levels.count))
        self.levels = levels
        self.peaks = peaks
    }

    private static func ascends<Value: Comparable>(_ values: [Value]) -> Bool {
        zip(values, values.dropFirst()).allSatisfy { $0 < $1 }
    }

    public func peakQuantile(_ level: Double, lead: Duration) -> Double? {
        row(at: lead).map { row in
            guard let upper = levels.firstIndex(where: { $0 >= level }) else { return row[row.count - 1] }
            guard upper > 0 else { return row[0] }
            let share = (level - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
            return row[upper - 1] + share * (row[upper] - row[upper - 1])
        }
    }

    public func exceedance(of held: Int, within horizon: Duration) -> Double? {
        row(at: horizon).map { row in
            // Whole VMs, as in ``DemandProfile``.
            let held = Double(held) + 0.5
            guard let upper = row.firstIndex(where: { $0 > held }) else { return 0 }
            guard upper > 0 else { return 1 }
            let share = (held - row[upper - 1]) / (row[upper] - row[upper - 1])
            return 1 - (levels[upper - 1] + share * (levels[upper] - levels[upper - 1]))
        }
    }

    /// The peaks at one lead, by level.
    private func row(at lead: Duration) -> [Double]? {
        guard let upper = leads.firstIndex(where: { $0 >= lead }) else { return nil }
        func known(_ index: Int) -> ArraySlice<Double> {
            peaks[index * levels.count..<(index + 1) * levels.count]
        }
        guard upper > 0, leads[upper] > lead else { return Array(known(upper)) }
        let share = (lead - leads[upper - 1]) / (leads[upper] - leads[upper - 1])
        return zip(known(upper - 1), known(upper)).map { $0 + share * ($1 - $0) }
    }
}

extension ForecastShape {
    /// Leads at which peaks are told, ascending.
    public var peakLeads: [Duration] { profile.peakLeads }
}

extension ApplicationForecaster {
    /// The peaks at ``ForecastShape/peakLeads`` and ``PeakForecast/levels``: as given by ``peakQuantile(_:lead:)``, up
    /// to the first lead that is not known yet.
    public var peaks: [Double] {
        let (levels, leads) = (PeakForecast.levels, shape.peakLeads)
        return zip(leads, demand.peaks(levels, leads: leads)).flatMap { lead, row in
            var floor = 0.0
            return bounded(row, levels, lead: lead).map { value in
                floor = max(floor, value)
                return floor
            }
        }
    }
}
