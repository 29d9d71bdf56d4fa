import SimulationKit

/// What a rule serves and wastes over a sweep of cost ratios.
public struct AllocationCurve: Sendable {
    public struct Point: Sendable {
        public var ratio: Double
        public var scores: [AllocationScore]
        public var summary: AllocationSummary

        public init(ratio: Double, scores: [AllocationScore]) {
            (self.ratio, self.scores) = (ratio, scores)
            summary = AllocationSummary(scores)
        }
    }

    /// Pooled over launches, or the mean over applications.
    public enum Mean: String, Sendable, CaseIterable {
        case pooled, macro
    }

    /// A share served, and what it wastes: percent.
    public struct Mark: Sendable, Hashable {
        public var hit: Double
        public var waste: Double
        public init(hit: Double, waste: Double) { (self.hit, self.waste) = (hit, waste) }
    }

    /// Rising cost ratios.
    public var points: [Point]

    public init(points: [Point]) { self.points = points }

    /// - Parameter plans: by ratio, each in the order of the applications.
    public init(_ applications: [EventSet.Application], ratios: [Double], plans: [[AllocationPlan]]) {
        points = zip(ratios, plans).map { ratio, plans in
            Point(ratio: ratio, scores: zip(applications, plans).map { AllocationScore($0, plan: $1) })
        }
    }

    /// Only the applications that `isKept` names.
    public func only(_ isKept: (String) -> Bool) -> AllocationCurve {
        AllocationCurve(
            points: points.map { point in
                Point(ratio: point.ratio, scores: point.scores.filter { isKept($0.application) })
            })
    }

    public func marks(_ mean: Mean) -> [Mark] {
        points.map { point in
            switch mean {
            case .pooled: Mark(hit: point.summary.hit, waste: point.summary.waste)
            case .macro: Mark(hit: point.summary.hitMacro, waste: point.summary.wasteMacro)
            }
        }
    }

    /// The waste at a share served: linear in its logarithm between the two neighbours that first reach it.
    ///
    /// - Returns: nil where no point of the sweep serves as much; the waste of the first point where it serves more.
    public func waste(at hit: Double, _ mean: Mean) -> Double? {
        let marks = marks(mean)
        guard let first = marks.first else { return nil }
        if first.hit >= hit { return first.waste }
        for (low, high) in zip(marks, marks.dropFirst()) where low.hit < hit && high.hit >= hit {
            let share = (hit - low.hit) / (high.hit - low.hit)
            let logs = (naturalLogarithm(max(low.waste, 1e-6)), naturalLogarithm(max(high.waste, 1e-6)))
            return naturalExponential(logs.0 + share * (logs.1 - logs.0))
        }
        return nil
    }

    /// Whether the sweep reaches below and above a share served.
    public func spans(_ hit: Double, _ mean: Mean) -> Bool {
        let hits = marks(mean).map(\.hit)
        guard let low = hits.min(), let high = hits.max() else { return false }
        return low <= hit && hit <= high
    }
}

/// What misses and idle hours cost, by application, against the best constant floor known afterwards.
public struct AllocationCost: Sendable {
    /// Geometric mean of the ratios; below 1 is better than any constant floor.
    public var mean: Double
    /// Between the .05 and .95 quantiles over applications drawn with replacement.
    public var interval: (low: Double, high: Double)
    public var ratios: [Double]

    /// Half a launch is added above and below: some applications cost nothing.
    private static let offset = 0.5

    /// - Parameter hindsight: in the order of the scores.
    public init(
        _ point: AllocationCurve.Point, hindsight: [String: FloorHindsight], draws: Int = 2000, seed: UInt64 = 1
    ) {
        ratios = point.scores.compactMap { score in
            guard let best = hindsight[score.application] else { return nil }
            let cost = Double(score.misses) + score.idleHours / point.ratio
            return (cost + Self.offset) / (best.cost(ratio: point.ratio) + Self.offset)
        }
        let logs = ratios.map { naturalLogarithm($0) }
        (mean, interval) = Self.bootstrap(logs, draws: draws, seed: seed) { drawn in
            naturalExponential(drawn.reduce(0, +) / Double(max(1, drawn.count)))
        }
    }

    /// A figure over all and its spread when the members are drawn with replacement.
    static func bootstrap<Member>(
        _ members: [Member], draws: Int, seed: UInt64, _ figure: ([Member]) -> Double
    ) -> (all: Double, interval: (low: Double, high: Double)) {
        var dice = SeededGenerator(seed: seed)
        guard !members.isEmpty else { return (.nan, (.nan, .nan)) }
        let drawn = (0..<draws).map { _ in
            figure(members.map { _ in members[dice.integer(in: 0...members.count - 1)] })
        }.sorted()
        return (
            figure(members),
            (TraceSet.Series.quantile(0.05, of: drawn), TraceSet.Series.quantile(0.95, of: drawn))
        )
    }
}
