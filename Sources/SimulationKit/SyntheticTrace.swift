/// How the demand of one synthetic application moves. Times are fractions of a day.
public struct TraceShape: Hashable, Sendable {
    /// Mean number of VMs over a day, before growth and bursts.
    public var mean: Double
    /// Swing of the day as a share of the mean, 0 ... 1.
    public var amplitude: Double
    /// When the day's maximum is, 0 ..< 1.
    public var phase: Double
    /// Above 1 the busy hours are a narrower, steeper hill; 1 is a plain sine.
    public var sharpness: Double
    /// Mean life of an ordinary VM.
    public var life: Double
    /// Standard deviation of a slowly moving random factor on the level.
    public var noise: Double
    /// Bursts per day, at random times.
    public var bursts: Double
    /// Mean launches of one burst, all within five minutes of a day.
    public var burstSize: Double
    /// Mean life of a burst's VM.
    public var burstLife: Double
    /// Growth of the mean per day, as a share.
    public var growth: Double
    /// Launches above this many VMs do not happen; nil means none.
    public var limit: Int?

    public init(
        mean: Double, amplitude: Double = 0.6, phase: Double = 0.6, sharpness: Double = 1, life: Double = 1.0 / 12,
        noise: Double = 0.05, bursts: Double = 0, burstSize: Double = 0, burstLife: Double = 1.0 / 48,
        growth: Double = 0, limit: Int? = nil
    ) {
        self.mean = mean
        self.amplitude = amplitude
        self.phase = phase
        self.sharpness = sharpness
        self.life = life
        self.noise = noise
        self.bursts = bursts
        self.burstSize = burstSize
        self.burstLife = burstLife
        self.growth = growth
        self.limit = limit
    }
}

/// One thing that happens in a trace.
public struct TraceEvent: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case launch, stop
    }
    /// Since the start of the trace.
    public var time: Duration
    /// Index of the shape.
    public var application: Int
    /// Number of the VM within its application, in the order of launches.
    public var vm: Int
    public var kind: Kind
    public init(time: Duration, application: Int, vm: Int, kind: Kind) {
        self.time = time
        self.application = application
        self.vm = vm
        self.kind = kind
    }
}

/// One interval of one application of a trace.
public struct TraceSample: Hashable, Sendable {
    /// End of the interval.
    public var time: Duration
    public var concurrent: Int
    /// Largest number of VMs at any moment of the interval.
    public var peak: Int
    public var launches: Int
    public var stops: Int
}

/// Launches and stops of several applications over some days: the same for the same seed and shapes, whatever else is
/// drawn. A VM that outlives the trace has no stop.
public struct SyntheticTrace: Hashable, Sendable {
    /// By time; at the same time stops first, then by application and VM.
    public let events: [TraceEvent]
    public let applications: Int
    public let dayLength: Duration
    public let length: Duration

    /// - Parameters:
    ///   - days: length of the trace.
    ///   - dayLength: how long a day lasts; shorter than 24 h compresses everything by one factor.
    public init(seed: UInt64, shapes: [TraceShape], days: Double, dayLength: Duration = .seconds(86_400)) {
        self.dayLength = dayLength
        applications = shapes.count
        length = dayLength * days
        let root = SeededGenerator(seed: seed)
        var all: [TraceEvent] = []
        for (index, shape) in shapes.enumerated() {
            var walk = ApplicationWalk(shape: shape, days: days, generator: root.fork(UInt64(index)))
            for life in walk.lives() {
                all.append(TraceEvent(time: dayLength * life.start, application: index, vm: life.vm, kind: .launch))
                guard life.end < days else { continue }
                all.append(TraceEvent(time: dayLength * life.end, application: index, vm: life.vm, kind: .stop))
            }
        }
        events = all.sorted { left, right in
            (left.time, left.kind == .stop ? 0 : 1, left.application, left.vm)
                < (right.time, right.kind == .stop ? 0 : 1, right.application, right.vm)
        }
    }

    private init(_ other: SyntheticTrace, factor: Double) {
        applications = other.applications
        dayLength = other.dayLength / factor
        length = other.length / factor
        events = other.events.map {
            TraceEvent(time: $0.time / factor, application: $0.application, vm: $0.vm, kind: $0.kind)
        }
    }

    /// The same trace, `factor` times as fast.
    public func compressed(by factor: Double) -> SyntheticTrace {
        precondition(factor > 0, "a trace is compressed by a positive factor, not \(factor)")
        return SyntheticTrace(self, factor: factor)
    }

    /// One application as a profiler would sample it.
    public func samples(application: Int, every interval: Duration) -> [TraceSample] {
        precondition(interval > .zero, "the sample interval is positive, not \(interval)")
        var result: [TraceSample] = []
        var open = TraceSample(time: interval, concurrent: 0, peak: 0, launches: 0, stops: 0)
        func close() {
            result.append(open)
            open = TraceSample(
                time: open.time + interval, concurrent: open.concurrent, peak: open.concurrent, launches: 0, stops: 0)
        }
        for event in events where event.application == application {
            while event.time >= open.time { close() }
            switch event.kind {
            case .launch:
                open.concurrent += 1
                open.launches += 1
                open.peak = max(open.peak, open.concurrent)
            case .stop:
                open.concurrent -= 1
                open.stops += 1
            }
        }
        while open.time <= length { close() }
        return result
    }
}
