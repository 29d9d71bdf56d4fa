/// Mean level and launch rate by time of day: one slot of a day each, learned with a gain that never falls below .3, so
/// that last week's shape is forgotten.
struct SeasonalProfile: Sendable {
    private static let slotLimit = 96
    private static let gainMin = 0.3

    private let ticksPerDay: Int
    private var level: [Float]
    private var launchRate: [Float]
    private var updates: [UInt8]
    private var seen = 0
    private var slot = -1
    private var levelSum = 0.0
    private var launchSum = 0.0
    private var known = 0

    init(ticksPerDay: Int) {
        self.ticksPerDay = ticksPerDay
        let slots = min(Self.slotLimit, ticksPerDay)
        level = Array(repeating: 0, count: slots)
        launchRate = Array(repeating: 0, count: slots)
        updates = Array(repeating: 0, count: slots)
    }

    mutating func code(_ coder: inout some StateCoder) {
        for index in level.indices {
            coder.code(&level[index])
            coder.code(&launchRate[index])
            coder.code(&updates[index])
        }
        coder.code(&seen)
        coder.code(&slot)
        coder.code(&levelSum)
        coder.code(&launchSum)
        coder.code(&known)
    }

    /// Every slot was seen: the profile can be used.
    var isComplete: Bool { seen == level.count }

    private var ticksPerSlot: Double { Double(ticksPerDay) / Double(level.count) }

    /// A known sample at `tick`; several samples of one tick count once.
    mutating func add(level value: Double, launches: Int, tick: Int, isNewTick: Bool) {
        let now = Int(Double(tick % ticksPerDay) / ticksPerSlot)
        if now != slot {
            closeSlot()
            slot = min(now, level.count - 1)
        }
        launchSum += Double(launches)
        guard isNewTick else { return }
        levelSum += value
        known += 1
    }

    private mutating func closeSlot() {
        // A slot that was mostly unknown says nothing about its time of day.
        if slot >= 0, Double(known) >= ticksPerSlot / 2 {
            let gain = Float(max(Self.gainMin, 1 / (Double(updates[slot]) + 1)))
            level[slot] += gain * (Float(levelSum / Double(known)) - level[slot])
            launchRate[slot] += gain * (Float(launchSum / Double(known)) - launchRate[slot])
            if updates[slot] == 0 { seen += 1 }
            updates[slot] = min(updates[slot] + 1, 200)
        }
        (levelSum, launchSum, known) = (0, 0, 0)
    }

    /// Level at a tick, linear between the centres of slots.
    func level(at tick: Int) -> Double {
        let position = Double(tick % ticksPerDay) / ticksPerSlot - 0.5
        let below = position.rounded(.down)
        let left = (Int(below) + level.count) % level.count
        let right = (left + 1) % level.count
        return Double(level[left]) + (position - below) * Double(level[right] - level[left])
    }

    /// Largest level from one tick to another.
    func peak(from start: Int, to end: Int) -> Double {
        var result = max(level(at: start), level(at: end))
        for index in slots(start, end) { result = max(result, Double(level[index % level.count])) }
        return result
    }

    /// Launches expected after one tick up to another.
    func launches(from start: Int, to end: Int) -> Double {
        let (days, rest) = (end - start).quotientAndRemainder(dividingBy: ticksPerDay)
        let perDay = launchRate.reduce(0) { $0 + Double($1) } * ticksPerSlot
        var sum = Double(days) * perDay
        var position = Double(start % ticksPerDay) / ticksPerSlot
        let stop = position + Double(rest) / ticksPerSlot
        while position < stop {
            let next = min(position.rounded(.down) + 1, stop)
            sum += Double(launchRate[Int(position) % level.count]) * (next - position) * ticksPerSlot
            position = next
        }
        return sum
    }

    /// Slots whose centre lies between two ticks, at most one day of them; indices may exceed the count.
    private func slots(_ start: Int, _ end: Int) -> Range<Int> {
        let first = Double(start % ticksPerDay) / ticksPerSlot - 0.5
        let last = first + Double(min(end - start, ticksPerDay)) / ticksPerSlot
        let low = max(0, Int(first.rounded(.up)))
        return low..<max(low, Int(last.rounded(.down)) + 1)
    }
}
