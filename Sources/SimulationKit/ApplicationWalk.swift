import Glibc

/// The life of one VM, in days since the start.
struct VMLife: Hashable {
    var vm: Int
    var start: Double
    var end: Double
}

/// Draws the VMs of one application minute by minute: ordinary launches at the rate that makes the number of VMs follow
/// the shape (for exponential lives of mean L and a level N that is N' + N / L), bursts on top.
struct ApplicationWalk {
    private static let step = 1.0 / 1440
    private static let burstSpread = 5.0 / 1440
    /// Half a day until the random factor has forgotten where it was.
    private static let noiseMemory = 0.5

    let shape: TraceShape
    let days: Double
    var generator: SeededGenerator
    private var noise: Double?
    private var minute = 0

    init(shape: TraceShape, days: Double, generator: SeededGenerator) {
        self.shape = shape
        self.days = days
        self.generator = generator
    }

    mutating func lives() -> [VMLife] {
        var starts: [(start: Double, life: Double)] = []
        while Double(minute) * Self.step < days { starts += launches() }
        return limited(starts.filter { $0.start < days }.sorted { $0.start < $1.start })
    }

    /// The launches that the next minute draws: all of them in it, but for a burst, which spreads over five.
    mutating func launches() -> [(start: Double, life: Double)] {
        var starts: [(start: Double, life: Double)] = []
        let keep = exp(-Self.step / Self.noiseMemory)
        let time = Double(minute) * Self.step
        let last = noise ?? generator.normal() * shape.noise
        let now = last * keep + (1 - keep * keep).squareRoot() * shape.noise * generator.normal()
        noise = now
        let before = level(time) * max(0, 1 + now)
        let slope = (level(time + Self.step) - level(time)) * max(0, 1 + now)
        let initial = minute == 0 ? before : 0
        let launches = generator.poisson(mean: initial + max(0, slope + before / shape.life * Self.step))
        for _ in 0..<launches {
            starts.append((time + Self.step * generator.unit(), generator.exponential(mean: shape.life)))
        }
        if generator.chance(shape.bursts * Self.step) {
            for _ in 0..<generator.poisson(mean: shape.burstSize) {
                let start = time + Self.burstSpread * generator.unit()
                starts.append((start, generator.exponential(mean: shape.burstLife)))
            }
        }
        minute += 1
        return starts
    }

    private func limited(_ starts: [(start: Double, life: Double)]) -> [VMLife] {
        var result: [VMLife] = []
        var ends: [Double] = []
        for (start, life) in starts {
            if let limit = shape.limit {
                ends.removeAll { $0 <= start }
                guard ends.count < limit else { continue }
                ends.append(start + life)
            }
            result.append(VMLife(vm: result.count, start: start, end: start + life))
        }
        return result
    }

    /// Level without noise; its mean over a day is `shape.mean` for a plain sine.
    private func level(_ time: Double) -> Double {
        let wave = 0.5 + 0.5 * cos(2 * .pi * (time - shape.phase))
        let hill = shape.sharpness == 1 ? wave : pow(wave, shape.sharpness)
        let swing = 1 + shape.amplitude * (2 * hill - 1)
        return shape.mean * pow(1 + shape.growth, time) * swing
    }
}
