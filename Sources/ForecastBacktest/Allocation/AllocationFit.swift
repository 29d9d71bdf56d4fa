public import Allocation

/// The constants of the rule of marginal value, fitted on traces: what was launched in each tick against what the rule
/// knew at its start.
public struct AllocationFit: Sendable {
    /// Rows by source.
    private var floors: [String: PoissonRegression.Rows] = [:]
    private var levels: [String: PoissonRegression.Rows] = [:]
    public let sources: [String]
    private let leaning: Float

    /// One in so many rows without a launch is kept, and counts that often.
    private static let thinning: UInt64 = 8
    private static let ridge = 5.0

    public init(_ set: EventSet, leaning: Float = 0.1) {
        sources = set.sources
        self.leaning = leaning
        for application in set.applications {
            var collector = Collector(application)
            collector.run(application)
            floors[application.source, default: PoissonRegression.Rows(width: MarginalFeatures.floorCount)]
                .append(collector.floors)
            levels[application.source, default: PoissonRegression.Rows(width: MarginalFeatures.levelCount)]
                .append(collector.levels)
        }
    }

    /// - Parameter leftOut: sources of which nothing is used.
    ///   - start: constants to begin with, for speed.
    public func constants(
        leavingOut leftOut: Set<String> = [], start: MarginalConstants? = nil
    ) throws(MarginalError) -> MarginalConstants {
        func fit(_ rows: [String: PoissonRegression.Rows], _ width: Int, _ start: [Float]?) -> [Float] {
            let parts = sources.filter { !leftOut.contains($0) }.compactMap { rows[$0] }
            let begin = start.map { $0.map { Double($0) } }
            return PoissonRegression(width: width, ridge: Self.ridge).fit(parts, start: begin).map { Float($0) }
        }
        return try MarginalConstants(
            floors: fit(floors, MarginalFeatures.floorCount, start?.floors),
            levels: fit(levels, MarginalFeatures.levelCount, start?.levels), leaning: leaning)
    }

    /// Deviance of the rows of one source under given constants: of floors, of levels.
    public func deviance(of source: String, _ constants: MarginalConstants) -> (floors: Double, levels: Double) {
        func deviance(_ rows: PoissonRegression.Rows?, _ beta: [Float]) -> Double {
            rows.map { PoissonRegression.deviance([$0], beta.map { Double($0) }) } ?? 0
        }
        return (deviance(floors[source], constants.floors), deviance(levels[source], constants.levels))
    }

    /// Rows of one application.
    private struct Collector {
        var floors = PoissonRegression.Rows(width: MarginalFeatures.floorCount)
        var levels = PoissonRegression.Rows(width: MarginalFeatures.levelCount)
        private var known: Known?
        private var dice: UInt64

        /// What was known at the start of the tick: a row of features for each floor, and for each level beside each
        /// floor.
        private struct Known {
            var floors = [SIMD8<Float>](repeating: .zero, count: MarginalFeatures.floorCount)
            var levels = [[SIMD8<Float>]](
                repeating: Array(repeating: .zero, count: MarginalFeatures.levelCount),
                count: MarginalGrid.levels.count)
        }

        init(_ application: EventSet.Application) {
            dice = application.id.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }

        mutating func run(_ application: EventSet.Application) {
            var replay = AllocationReplay(application, policies: [], constants: nil)
            var ticks = 0
            replay.run(closing: { _, demand in
                if let known { note(known, demand) }
                var ended = demand
                ended.endTick(length: 1)
                ticks += 1
                guard ticks >= 12 else { return }
                let features = MarginalFeatures(ended, length: 1)
                var fresh = Known()
                features.floors { fresh.floors[$0] = $1 }
                features.levels { fresh.levels[$0][$1] = $2 }
                known = fresh
            })
        }

        private mutating func note(_ known: Known, _ demand: MarginalDemand) {
            for lane in 1..<8 {
                let width = MarginalGrid.floorWidths[lane]
                let count = demand.rankCounts[lane] / width
                guard let weight = weight(count) else { continue }
                floors.append(known.floors.map { $0[lane] }, count: count, weight: weight * width.squareRoot())
            }
            let counted = demand.counted
            for bucket in MarginalGrid.levels.indices {
                let lanes = (0..<8).filter { MarginalGrid.floors[$0] < MarginalGrid.levels[bucket] }.count
                let lane = Int(draw() % UInt64(lanes))
                let width = Float(MarginalGrid.width(bucket))
                let count = Float(counted[bucket][lane]) / width
                guard let weight = weight(count) else { continue }
                levels.append(known.levels[bucket].map { $0[lane] }, count: count, weight: weight * width.squareRoot())
            }
        }

        /// Rows without a launch are many and alike.
        private mutating func weight(_ count: Float) -> Float? {
            guard count == 0 else { return 1 }
            return draw() % AllocationFit.thinning == 0 ? Float(AllocationFit.thinning) : nil
        }

        private mutating func draw() -> UInt64 {
            // SplitMix64, from the name of the application: the same rows in every run.
            dice &+= 0x9E37_79B9_7F4A_7C15
            var z = dice
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }
}

extension PoissonRegression.Rows {
    mutating func append(_ other: Self) {
        precondition(other.width == width, "rows of \(other.width) features among rows of \(width)")
        for row in other.counts.indices {
            append(
                Array(other.features[row * width..<(row + 1) * width]), count: other.counts[row],
                weight: other.weights[row])
        }
    }
}
