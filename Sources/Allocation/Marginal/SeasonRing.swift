import Forecasting

/// Peak and rise of every five minutes of the last week, in a byte and half a byte each.
struct SeasonRing: Hashable, Sendable {
    /// A week, and the two neighbours of its first slot.
    static let slots = MarginalGrid.week + 2
    private var peaks = [UInt8](repeating: 0, count: Self.slots)
    private var rises = [UInt8](repeating: 0, count: Self.slots / 2)
    /// Slots ever written.
    private(set) var written = 0

    mutating func push(peak: Int, rise: Int) {
        let place = written % Self.slots
        peaks[place] = Self.fine(peak)
        let half = (place & 1) * 4
        rises[place / 2] = rises[place / 2] & ~(0xF << half) | Self.coarse(rise) << half
        written += 1
    }

    /// The largest peak of a slot and its two neighbours, `back` slots before the one that comes; nil beyond what is kept.
    func peak(around back: Int) -> Int? {
        guard back + 1 <= min(written, Self.slots), back >= 1 else { return nil }
        var code: UInt8 = 0
        for slot in max(1, back - 1)...back + 1 { code = max(code, peaks[(written - slot) % Self.slots]) }
        return Self.value(fine: code)
    }

    /// The rise in the slot `back` slots before the one that comes.
    func rise(_ back: Int) -> Int? {
        guard back >= 1, back <= min(written, Self.slots) else { return nil }
        let place = (written - back) % Self.slots
        return Self.coarseValues[Int(rises[place / 2] >> ((place & 1) * 4) & 0xF)]
    }

    /// Exact up to 31, then sixteen steps per doubling.
    private static func fine(_ value: Int) -> UInt8 {
        guard value > 31 else { return UInt8(max(0, value)) }
        let shift = Int.bitWidth - 5 - value.leadingZeroBitCount
        let code = shift * 16 + (value >> shift)
        return UInt8(min(code, 255))
    }

    private static func value(fine code: UInt8) -> Int {
        guard code > 31 else { return Int(code) }
        let shift = Int(code) / 16 - 1
        return (Int(code) - shift * 16) << shift
    }

    private static let coarseValues = [0, 1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512, 1024, 2048]

    /// Rounded down.
    private static func coarse(_ value: Int) -> UInt8 {
        UInt8(max(0, (coarseValues.firstIndex { $0 > value } ?? coarseValues.count) - 1))
    }

    /// Several slots alike: what the ring forgets is not written first.
    mutating func push(_ count: Int, peak: Int, rise: Int) {
        written += max(0, count - Self.slots)
        for _ in 0..<min(count, Self.slots) { push(peak: peak, rise: rise) }
    }

    mutating func code(_ coder: inout some StateCoder) {
        for place in peaks.indices { coder.code(&peaks[place]) }
        for place in rises.indices { coder.code(&rises[place]) }
        coder.code(&written)
    }

    /// Of the arrays.
    var bytes: Int { arrayBytes(peaks) + arrayBytes(rises) }
}
