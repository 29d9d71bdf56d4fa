public import Allocation
import SimulationKit

/// Everything that is claimed of the allocation rule on a set of traces.
public struct AllocationEvaluation: Sendable {
    /// Cost ratios of the sweep.
    public static let sweep: [Double] = [2, 5, 10, 20, 50, 100, 300]
    /// Cost ratios at which costs are compared.
    public static let compared: [Double] = [2, 10, 40]

    public let set: EventSet
    /// Over ``sweep``.
    public let curve: AllocationCurve
    /// Of ``compared``.
    public let costs: [AllocationCurve.Point]
    private let hindsight: [String: FloorHindsight]

    /// - Parameter constants: for each application.
    public init(_ set: EventSet, constants: (EventSet.Application) throws -> MarginalConstants) throws {
        self.set = set
        let ratios = Self.sweep + Self.compared.filter { !Self.sweep.contains($0) }
        let plans = try set.plans(try ratios.map { try MarginalPolicy(costRatio: $0) }, constants: constants)
        let all = AllocationCurve(set.applications, ratios: ratios, plans: plans)
        curve = AllocationCurve(points: all.points.filter { Self.sweep.contains($0.ratio) })
        costs = Self.compared.compactMap { ratio in all.points.first { $0.ratio == ratio } }
        hindsight = Dictionary(uniqueKeysWithValues: set.applications.map { ($0.id, FloorHindsight($0)) })
    }

    /// Constants by source, fitted without it.
    public static func leavingOneOut(_ fit: AllocationFit) throws(MarginalError) -> [String: MarginalConstants] {
        var result: [String: MarginalConstants] = [:]
        for source in fit.sources { result[source] = try fit.constants(leavingOut: [source]) }
        return result
    }

    /// The curve over the applications with true launches and stops.
    public var trueEvents: AllocationCurve {
        let names = Set(set.applications.filter(\.isTrue).map(\.id))
        return curve.only { names.contains($0) }
    }

    /// Costs against the best constant floor known afterwards, by ``compared``.
    ///
    /// - Parameter isTrueOnly: of the applications with true launches and stops.
    public func relativeCosts(isTrueOnly: Bool = false) -> [(ratio: Double, cost: AllocationCost)] {
        let names = Set(set.applications.filter { $0.isTrue || !isTrueOnly }.map(\.id))
        return costs.map { point in
            let kept = AllocationCurve.Point(
                ratio: point.ratio, scores: point.scores.filter { names.contains($0.application) })
            return (point.ratio, AllocationCost(kept, hindsight: hindsight))
        }
    }
}

extension AllocationCurve {
    /// Between the .1 and .9 quantiles of the waste at a share served, applications drawn with replacement; draws that do
    /// not serve as much anywhere in the sweep count as the largest.
    public func spread(at hit: Double, _ mean: Mean, draws: Int = 400, seed: UInt64 = 1) -> (low: Double, high: Double)
    {
        var dice = SeededGenerator(seed: seed)
        let count = points.first?.scores.count ?? 0
        guard count > 0 else { return (.nan, .nan) }
        let wastes = (0..<draws).map { _ in
            let places = (0..<count).map { _ in dice.integer(in: 0...count - 1) }
            let drawn = AllocationCurve(
                points: points.map { point in
                    Point(ratio: point.ratio, scores: places.map { point.scores[$0] })
                })
            return drawn.waste(at: hit, mean) ?? .infinity
        }.sorted()
        return (wastes[draws / 10], wastes[draws - 1 - draws / 10])
    }
}
