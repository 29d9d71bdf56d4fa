import Forecasting

/// How long ago each level was last occupied, to a factor of two: maxima over blocks of 1, 2, 4 ... ticks, one or two of
/// each size; the older two of three become one of the next size (as in an exponential histogram).
struct LevelAges: Hashable, Sendable {
    /// Block sizes: 2^14 ticks of five minutes are eight weeks.
    static let classes = 15
    private var newer = SIMD16<Int32>()
    private var older = SIMD16<Int32>()
    private var counts = SIMD16<UInt8>()
    /// Largest level occupied within each class and all younger ones.
    private(set) var reach = SIMD16<Int32>()
    /// Ticks back to the end of each class.
    private(set) var ages = SIMD16<Float>()

    mutating func push(_ peak: Int) {
        var carried = Int32(clamping: peak)
        for size in 0..<Self.classes {
            if counts[size] < 2 {
                older[size] = newer[size]
                newer[size] = carried
                counts[size] += 1
                break
            }
            // The youngest stays alone; the two before it go on as one block of the next size, or are forgotten.
            let merged = max(newer[size], older[size])
            newer[size] = carried
            counts[size] = 1
            carried = merged
        }
        summarise()
    }

    private mutating func summarise() {
        var highest: Int32 = 0
        var age: Float = 0
        for size in 0..<Self.classes {
            if counts[size] > 0 { highest = max(highest, newer[size]) }
            if counts[size] > 1 { highest = max(highest, older[size]) }
            age += Float(counts[size]) * Float(1 << size)
            reach[size] = highest
            ages[size] = age
        }
    }

    /// What the reach and the ages follow from.
    mutating func code(_ coder: inout some StateCoder) {
        for size in 0..<Self.classes {
            coder.code(&newer[size])
            coder.code(&older[size])
            coder.code(&counts[size])
        }
        summarise()
    }

    /// Smaller blocks are there before larger ones.
    var isPossible: Bool {
        var isEnd = false
        for size in 0..<Self.classes {
            guard counts[size] <= 2, newer[size] >= 0, older[size] >= 0, !isEnd || counts[size] == 0 else {
                return false
            }
            isEnd = counts[size] == 0
        }
        return counts[0] > 0
    }

    /// The highest level that is remembered.
    var highest: Int { Int(reach[Self.classes - 1]) }

    /// The class in which a level was last occupied; nil when it never was.
    func age(of level: Int) -> Int? { (0..<Self.classes).first { Int(reach[$0]) >= level } }
}

/// How often levels are taken again, by how long ago they were last occupied: launches per level and tick.
struct LevelHazards: Hashable, Sendable {
    /// Ticks of five minutes over which it fades: two weeks.
    private static let fade: Float = 4032
    /// Before anything is known: the longer a level was free, the longer it stays free (Lindy's rule).
    private static let lindy: Float = 0.3
    private var taken = [SIMD8<Float>](repeating: .zero, count: LevelAges.classes)
    private var exposed = SIMD16<Float>()
    private var occasions = SIMD16<Float>()

    /// A launch took a level of this age; in each lane whether that floor left it to be served.
    mutating func launch(age: Int, lanes: SIMD8<Float>) { taken[age] += lanes }

    /// The levels above `inUse` were free during one tick of `length` times five minutes.
    mutating func endTick(above inUse: Int, ages: LevelAges, length: Float) {
        let keep = 1 - length / Self.fade
        var below = Int32(clamping: inUse)
        exposed *= keep
        occasions *= keep
        for age in 0..<LevelAges.classes {
            taken[age] *= keep
            guard ages.reach[age] > below else { continue }
            exposed[age] += length * Float(ages.reach[age] - below)
            occasions[age] += length
            below = ages.reach[age]
        }
    }

    /// Per level and five minutes. Levels that are free together are one experience: a batch of many launches counts as
    /// one episode.
    func rate(age: Int, ticks: Float) -> SIMD8<Float> {
        let together = occasions[age] > 0 ? max(1, exposed[age] / occasions[age]) : 1
        return (taken[age] / together + 1) / (exposed[age] / together + max(1, ticks) / Self.lindy)
    }

    mutating func code(_ coder: inout some StateCoder) {
        for age in 0..<LevelAges.classes {
            coder.code(&taken[age])
            coder.code(&exposed[age])
            coder.code(&occasions[age])
        }
    }

    var isPossible: Bool {
        taken.allSatisfy(MarginalBounds.isCount) && MarginalBounds.isCount(exposed)
            && MarginalBounds.isCount(occasions)
    }

    /// Of the arrays.
    var bytes: Int { arrayBytes(taken) }
}
