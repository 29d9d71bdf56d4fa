import Forecasting

/// How often what one application's rates promised came true, apart for rates far below, about, and far above the price.
///
/// A tick in which many levels of one class were taken is one experience: means over levels are counted, not launches.
struct MarginalCalibration: Hashable, Sendable {
    /// Experiences that the pooled rates are worth before anything was seen.
    private static let believed: Float = 3
    /// Ticks of five minutes over which it fades: a week.
    private static let fade: Float = 2016

    private struct Book: Hashable, Sendable {
        var expected = SIMD4<Float>()
        var counted = SIMD4<Float>()
        /// Of the running tick: what is expected, and how many identifiers stand in each class.
        var promise = SIMD4<Float>()
        var widths = SIMD4<Float>()

        mutating func close(_ counts: SIMD4<Float>, keep: Float) {
            let places = widths.replacing(with: 1, where: widths .< 1)
            expected = expected * keep + promise / places
            counted = counted * keep + counts / places
            (promise, widths) = (.zero, .zero)
        }

        mutating func code(_ coder: inout some StateCoder) {
            coder.code(&expected)
            coder.code(&counted)
            coder.code(&promise)
            coder.code(&widths)
        }

        var isPossible: Bool { [expected, counted, promise, widths].allSatisfy(MarginalBounds.isCount) }

        var factors: SIMD4<Float> { (counted + believed) / (expected + believed) }
    }

    private var floors = Book()
    private var levels = Book()
    private var lane = 0
    private var floorClasses = SIMD8<UInt8>()
    private var levelClasses = SIMD32<UInt8>()

    private static func kind(_ ratio: Float) -> Int { ratio < 1 ? (ratio < 0.25 ? 0 : 1) : (ratio < 4 ? 2 : 3) }

    /// The tick is over: launches by smallest floor, and by bucket of levels.
    mutating func endTick(ranks: SIMD8<Float>, levels counts: [SIMD8<UInt16>], length: Float) {
        var sums = SIMD4<Float>()
        for lane in 1..<8 { sums[Int(floorClasses[lane])] += ranks[lane] }
        let keep = 1 - length / Self.fade
        floors.close(sums, keep: keep)
        sums = .zero
        for bucket in counts.indices { sums[Int(levelClasses[bucket])] += Float(counts[bucket][lane]) }
        levels.close(sums, keep: keep)
    }

    mutating func code(_ coder: inout some StateCoder) {
        floors.code(&coder)
        levels.code(&coder)
        coder.code(&lane)
        for place in 0..<8 { coder.code(&floorClasses[place]) }
        for bucket in MarginalGrid.levels.indices { coder.code(&levelClasses[bucket]) }
    }

    var isPossible: Bool {
        floors.isPossible && levels.isPossible && 0..<8 ~= lane && all(floorClasses .< 4) && all(levelClasses .< 4)
    }

    func corrected(_ rates: MarginalRates, price: Float) -> MarginalRates {
        var corrected = rates
        let (ofFloors, ofLevels) = (floors.factors, levels.factors)
        for lane in 1..<8 { corrected.floors[lane] *= ofFloors[Self.kind(rates.floors[lane] / price)] }
        for bucket in rates.levels.indices {
            for lane in 0..<8 {
                corrected.levels[bucket][lane] *= ofLevels[Self.kind(rates.levels[bucket][lane] / price)]
            }
        }
        return corrected
    }

    /// What is promised for the next tick beside the chosen floor.
    mutating func promise(_ rates: MarginalRates, price: Float, lane: Int, length: Float) {
        self.lane = lane
        for lane in 1..<8 {
            let kind = Self.kind(rates.floors[lane] / price)
            floorClasses[lane] = UInt8(kind)
            floors.promise[kind] += rates.floors[lane] * MarginalGrid.floorWidths[lane] * length
            floors.widths[kind] += MarginalGrid.floorWidths[lane]
        }
        for bucket in rates.levels.indices {
            let rate = rates.levels[bucket][lane]
            let kind = Self.kind(rate / price)
            let width = Float(MarginalGrid.width(bucket))
            levelClasses[bucket] = UInt8(kind)
            levels.promise[kind] += rate * width * length
            levels.widths[kind] += width
        }
    }
}
