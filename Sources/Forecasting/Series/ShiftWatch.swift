/// A level shift under way: what the samples since its start say about it.
///
/// Once it has lasted, the season is scaled (or moved) to the new level, so that the shape that was learnt is kept.
struct ShiftWatch: Sendable, Hashable {
    /// Above it the season is moved; below its inverse a fall is an end of activity, and the season is left alone.
    private static let factorMax: Float = 20

    private var count: Float = 0
    private var values: Float = 0
    private var expected: Float = 0
    private var sign: Float = 0

    /// What the season has to become.
    enum Anchor: Hashable {
        case scale(Float)
        case move(Float)
    }

    /// Under way, and not yet given up.
    var isOn: Bool { count > 0 && !isRefused }
    private var isRefused = false

    mutating func end() { self = ShiftWatch() }

    /// - Parameter last: the move of the last shift, if it may yet be taken back.
    /// - Returns: how to anchor the season, once the shift has lasted `enough` samples.
    mutating func add(value: Float, expected base: Float, enough: Float, last: Float?) -> Anchor? {
        let side: Float = value > base ? 1 : -1
        if side != sign { self = ShiftWatch() }
        guard !isRefused else { return nil }
        sign = side
        count += 1
        values += value
        expected += base
        guard count >= enough else { return nil }
        let move = (values - expected) / count
        let ratio = expected > 0 ? values / expected : .infinity
        let before = last.map { expected - $0 * count }
        let isBack = before.map { $0 > 0 && (0.5...2).contains(values / $0) } ?? false
        end()
        if isBack, let last { return .move(-last) }
        if ratio <= Self.factorMax {
            if ratio >= 1 / Self.factorMax { return .scale(ratio) }
            isRefused = true
            sign = side
            return nil
        }
        return .move(move)
    }

    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.count, \.values, \.expected, \.sign] {
            coder.code(&self[keyPath: path])
        }
        coder.code(&isRefused)
    }
}
