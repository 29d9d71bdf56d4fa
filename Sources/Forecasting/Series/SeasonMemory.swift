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
        let position = plan.localTick(tick) % plan.day
        let slot = position / plan.grain
        let here = profile[slot]
        let rest = position - slot * plan.grain
        guard here >= 0 else { return nil }
        guard rest > 0 else { return here }
        let next = profile[slot + 1 == profile.count ? 0 : slot + 1]
        guard next >= 0 else { return nil }
        return here + Float(rest) / Float(plan.grain) * (next - here)
    }

    /// Unknown half hours in a row that are bridged.
    private static let weekReach = 3

    /// Between the centres of the half hours, across a few unknown ones; nil where nothing is remembered.
    func weekValue(at tick: Int, _ plan: SeriesPlan) -> Float? {
        guard tick >= 0 else { return nil }
        let bucket = tick / plan.bucket
        let position = Float(2 * (tick % plan.bucket) - plan.bucket + 1) / Float(2 * plan.bucket)
        if position == 0, let here = knownWeek(bucket) { return here }
        let step = position < 0 ? -1 : 1
        if let here = knownWeek(bucket), let next = knownWeek(bucket + step) {
            return here + abs(position) * (next - here)
        }
        let lower = position < 0 ? bucket - 1 : bucket
        let reach = 0...Self.weekReach
        for back in reach {
            guard let before = knownWeek(lower - back) else { continue }
            for ahead in reach {
                guard let after = knownWeek(lower + 1 + ahead) else { continue }
                let share = (Float(bucket - lower + back) + position) / Float(1 + back + ahead)
                return before + share * (after - before)
            }
            return nil
        }
        return nil
    }

    private func knownWeek(_ bucket: Int) -> Float? {
        let packed = packedWeek(bucket)
        return packed == PackedFloat.none ? nil : PackedFloat.unpack(packed)
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
        tame(tick / plan.bucket - 1, lastWeek: tick / plan.bucket - 1 - 7 * plan.day / plan.bucket)
    }

    /// Mean innovations by which half an hour may stand out from both its neighbours, unless it did so a week ago.
    private static let spikeMax: Float = 8

    /// One half hour that stands out is more likely an accident than a habit: it is remembered as far as the bound, which is
    /// enough for the next one at that time of the week to be believed in full.
    private mutating func tame(_ bucket: Int, lastWeek: Int) {
        guard bucket > 0, let value = knownWeek(bucket), let earlier = knownWeek(bucket - 1),
            let later = knownWeek(bucket + 1)
        else { return }
        let (low, high) = (min(earlier, later), max(earlier, later))
        let bound = Self.spikeMax * innovation
        let before = lastWeek >= 0 ? knownWeek(lastWeek) : nil
        if value > high + bound, (before ?? 0) < high + bound / 2 {
            week[bucket % week.count] = PackedFloat.pack(high + bound)
        } else if value < low - bound, (before ?? low) > low - bound / 2 {
            week[bucket % week.count] = PackedFloat.pack(low - bound)
        }
    }

    /// - Parameter isShifted: follows the new level at once instead of taking it for a spike.
    mutating func addProfile(_ value: Float, tick: Int, age: Int, isShifted: Bool, _ plan: SeriesPlan) {
        let slot = plan.localTick(tick) % plan.day / plan.grain
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

    /// Brings everything before the half hour of `start` to a new level; from there on samples were of that level already.
    mutating func anchor(_ anchor: ShiftWatch.Anchor, from start: Int, at tick: Int, _ plan: SeriesPlan) {
        for slot in profile.indices where profile[slot] >= 0 {
            switch anchor {
            case .scale(let factor): profile[slot] *= factor
            case .move(let step): profile[slot] = max(0, profile[slot] + step)
            }
        }
        // Last week moved by a multiple of itself would be lost to rounding.
        guard case .scale(let factor) = anchor else { return }
        innovation *= factor
        // The ring holds so many half hours up to that of the tick, which is still under way.
        let newest = tick / plan.bucket
        for bucket in max(0, newest - week.count + 1)..<max(1, start / plan.bucket) {
            let place = bucket % week.count
            guard week[place] != PackedFloat.none else { continue }
            week[place] = PackedFloat.pack(PackedFloat.unpack(week[place]) * factor)
        }
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
