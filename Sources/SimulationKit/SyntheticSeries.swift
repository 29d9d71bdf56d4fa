import Glibc

/// A demand series whose truth is known: what was expected at every sample, before noise.
public struct SyntheticSeries: Hashable, Sendable {
    /// What a series is made of. Times are fractions of a day, sizes shares of the mean unless said otherwise.
    public struct Shape: Hashable, Sendable {
        public var mean = 100.0
        /// Swing of the day, and when its maximum is.
        public var daily = 0.0
        public var phase = 0.5
        /// Loss of the two last days of a week.
        public var weekly = 0.0
        /// Growth per day.
        public var trend = 0.0
        /// Standard deviation of each sample.
        public var noise = 0.0
        /// From `shiftDay` on everything is this many times as large.
        public var shift = 1.0
        public var shiftDay = Double.infinity
        /// Bursts per day, their height and length.
        public var bursts = 0.0
        public var burstSize = 2.0
        public var burstLength = 1.0 / 24
        /// Share of samples at which there is any demand; 1 is always.
        public var activity = 1.0
        /// Share of samples that are unknown.
        public var gaps = 0.0
        /// Whether samples are whole numbers.
        public var isWhole = false

        public init() {}
    }

    /// Nil where the sample is unknown.
    public let values: [Double?]
    /// Expected values: mean, day, week, trend, shift and bursts, without noise.
    public let expected: [Double]
    /// Standard deviations of the noise.
    public let deviation: [Double]
    public let samplesPerDay: Int

    public init(_ shape: Shape, seed: UInt64, days: Int, samplesPerDay: Int = 288) {
        self.samplesPerDay = samplesPerDay
        var noise = SeededGenerator(seed: seed).fork(1)
        var rare = SeededGenerator(seed: seed).fork(2)
        var holes = SeededGenerator(seed: seed).fork(3)
        var values: [Double?] = []
        var expected: [Double] = []
        var deviation: [Double] = []
        var burstEnd = -1.0
        for tick in 0..<days * samplesPerDay {
            let time = Double(tick) / Double(samplesPerDay)
            let isWeekend = Int(time) % 7 >= 5
            var level = shape.mean * (1 + shape.daily * cos(2 * .pi * (time - shape.phase)))
            level *= (isWeekend ? 1 - shape.weekly : 1) * (1 + shape.trend * time)
            if time >= shape.shiftDay { level *= shape.shift }
            if rare.chance(shape.bursts / Double(samplesPerDay)) { burstEnd = time + shape.burstLength }
            if time < burstEnd { level *= 1 + shape.burstSize }
            let spread = level * shape.noise
            var value = max(0, level + spread * noise.normal())
            if !rare.chance(shape.activity) { value = 0 }
            expected.append(level * shape.activity)
            deviation.append(spread)
            let isUnknown = holes.chance(shape.gaps)
            values.append(isUnknown ? nil : shape.isWhole ? value.rounded() : value)
        }
        self.values = values
        self.expected = expected
        self.deviation = deviation
    }

    /// One of each kind, named, for tests and for users without traces.
    public static let kinds: [(name: String, shape: Shape)] = {
        func make(_ change: (inout Shape) -> Void) -> Shape {
            var shape = Shape()
            shape.noise = 0.05
            change(&shape)
            return shape
        }
        return [
            ("daily", make { $0.daily = 0.5 }),
            ("weekly", make { ($0.daily, $0.weekly) = (0.4, 0.5) }),
            ("trend", make { ($0.daily, $0.trend) = (0.3, 0.05) }),
            ("shift", make { ($0.daily, $0.shift, $0.shiftDay) = (0.4, 3, 15.3) }),
            ("burst", make { ($0.bursts, $0.isWhole) = (4, true) }),
            ("intermittent", make { ($0.mean, $0.activity, $0.isWhole) = (3, 0.2, true) }),
            ("noise", make { $0.noise = 0.3 }),
            ("gaps", make { ($0.daily, $0.gaps) = (0.5, 0.2) }),
        ]
    }()
}
