import Forecasting

/// How large rises are, measured by how much demand moves at present.
struct RiseSpread: Hashable, Sendable {
    private static let classes = 16
    /// Ticks of five minutes over which it fades: two weeks.
    private static let fade: Float = 4032
    /// What is believed before anything was seen, worth so many ticks: one rise in twenty as large as the usual move, and
    /// a quarter as many of twice the size.
    private static let believed: Float = 24
    /// Mean distance between the peak of a tick and its start: over an hour, and half that over half a day.
    private var fast: Float = 1
    private var slow: Float = 1
    /// Fading count of rises of at least 2^(class / 2 - 2) usual moves.
    private var atLeast = SIMD16<Float>()
    private var ticks: Float = 0

    /// The usual move.
    var scale: Float { max(fast, slow / 2) + 0.25 }

    mutating func endTick(rise: Int, change: Int, length: Float) {
        let size = Float(rise) / scale
        let keep = 1 - length / Self.fade
        ticks = ticks * keep + length
        let fresh = SIMD16<Float>.zero.replacing(with: length, where: Self.lowers .<= size)
        atLeast = atLeast * keep + fresh
        let move = Float(max(rise, abs(change)))
        fast += min(1, 0.08 * length) * (move - fast)
        slow += 0.007 * length * (move - slow)
    }

    mutating func code(_ coder: inout some StateCoder) {
        coder.code(&fast)
        coder.code(&slow)
        coder.lanes(&atLeast)
        coder.code(&ticks)
    }

    var isPossible: Bool {
        [fast, slow, ticks].allSatisfy(MarginalBounds.isCount) && MarginalBounds.isCount(atLeast)
    }

    private static let lowers = SIMD16<Float>((0..<classes).map { Float(Elementary.exp2(Double($0) / 2 - 2)) })

    private func share(_ place: Int) -> Float {
        let size = Self.lowers[place]
        let prior = min(0.5, 0.05 / (size * size))
        return (atLeast[place] + Self.believed * prior) / (ticks + Self.believed)
    }

    /// Natural logarithm of the share of five minutes with a rise of at least `level`; linear between the classes, and
    /// beyond them as the inverse square.
    func logShare(_ level: Float) -> Float {
        let log = Self.log2(level / scale) * 2 + 4
        guard log > 0 else { return 0.693_147_2 * Self.log2(share(0)) }
        let place = min(Self.classes - 1, Int(log))
        let here = Self.log2(share(place))
        let rest = log - Float(place)
        let next = place + 1 < Self.classes ? Self.log2(share(place + 1)) : here - 1
        return 0.693_147_2 * (here + rest * (next - here))
    }

    private static func log2(_ value: Float) -> Float { Float(Elementary.log2(Double(value))) }
}
