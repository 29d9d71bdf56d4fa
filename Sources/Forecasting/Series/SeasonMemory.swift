/// Daily profile and the means of the last eight days' half hours of one series.
struct SeasonMemory: Sendable, Hashable {
    /// Value at the start of each slot of the day.
    private(set) var profile: [Float]
    /// Packed means; see ``PackedFloat``.
    private(set) var week: [UInt16]
    private var bucketSum: Float = 0
    private var bucketCount: Float = 0
    /// Mean absolute innovation of the profile.
    private(set) var innovation: Float = 0
    /// Slots updated since the first day was complete.
    private var updates: Int32 = 0

    static let unseen: Float = -1

    init(_ plan: SeriesPlan) {
        profile = Array(repeating: Self.unseen, count: plan.day / plan.grain)
        week = Array(repeating: PackedFloat.none, count: plan.buckets)
    }

    /// Nil while a slot next to the tick was never seen.
    func profileValue(at tick: Int, _ plan: SeriesPlan) -> Float? {
        let position = tick % plan.day
        let slot = position / plan.grain
        let here = profile[slot]
        let rest = position - slot * plan.grain
        guard here >= 0 else { return nil }
        guard rest > 0 else { return here }
        let next = profile[slot + 1 == profile.count ? 0 : slot + 1]
        guard next >= 0 else { return nil }
        return here + Float(rest) / Float(plan.grain) * (next - here)
    }

    /// Between the centres of the half hours; nil where nothing is remembered.
    func weekValue(at tick: Int, _ plan: SeriesPlan) -> Float? {
        guard tick >= 0 else { return nil }
        let position = Float(2 * (tick % plan.bucket) - plan.bucket + 1) / Float(2 * plan.bucket)
        let bucket = tick / plan.bucket
        let here = packedWeek(bucket)
        let next = packedWeek(position < 0 ? bucket - 1 : bucket + 1)
        guard here != PackedFloat.none else { return nil }
        let value = PackedFloat.unpack(here)
        guard position != 0 else { return value }
        guard next != PackedFloat.none else { return nil }
        return value + abs(position) * (PackedFloat.unpack(next) - value)
    }

    private func packedWeek(_ bucket: Int) -> UInt16 {
        bucket < 0 ? PackedFloat.none : week[bucket % week.count]
    }

    /// Closes the half hour when `tick` is its last.
    mutating func addWeek(_ value: Float?, tick: Int, _ plan: SeriesPlan) {
        if let value {
            bucketSum += value
            bucketCount += 1
        }
        guard tick % plan.bucket == plan.bucket - 1 else { return }
        week[tick / plan.bucket % week.count] =
            bucketCount > 0 ? PackedFloat.pack(bucketSum / bucketCount) : PackedFloat.none
        bucketSum = 0
        bucketCount = 0
    }

    /// - Parameter isShifted: follows the new level at once instead of taking it for a spike.
    mutating func addProfile(_ value: Float, tick: Int, age: Int, isShifted: Bool, _ plan: SeriesPlan) {
        let slot = tick % plan.day / plan.grain
        guard profile[slot] >= 0 else {
            profile[slot] = value
            return
        }
        var step = value - profile[slot]
        let size = abs(step)
        let isOld = age > 2 * plan.day
        updates = min(updates + 1, 1 << 20)
        let gain = max(plan.innovationGain, 1 / Float(updates))
        let before = innovation
        innovation += gain * ((isOld ? min(size, 2.25 * before) : size) - before)
        if isOld, !isShifted { step = min(max(step, -1.5 * before), 1.5 * before) }
        profile[slot] += Self.profileGain(age / plan.day) * step
    }

    /// Brings everything to a new level.
    mutating func anchor(_ anchor: ShiftWatch.Anchor) {
        func anchored(_ value: Float) -> Float {
            switch anchor {
            case .scale(let factor): value * factor
            case .move(let step): max(0, value + step)
            }
        }
        for slot in profile.indices where profile[slot] >= 0 { profile[slot] = anchored(profile[slot]) }
        for bucket in week.indices where week[bucket] != PackedFloat.none {
            week[bucket] = PackedFloat.pack(anchored(PackedFloat.unpack(week[bucket])))
        }
        if case .scale(let factor) = anchor { innovation *= factor }
    }

    mutating func code(_ coder: inout some StateCoder) {
        for slot in profile.indices { coder.code(&profile[slot]) }
        for slot in week.indices { coder.code(&week[slot]) }
        coder.code(&bucketSum)
        coder.code(&bucketCount)
        coder.code(&innovation)
        coder.code(&updates)
    }

    private static func profileGain(_ days: Int) -> Float { max(0.3, 1 / Float(days + 1)) }
}
