/// A series sampled every few seconds: its peaks over the next minutes, and a ``SeriesForecaster`` of its coarse samples
/// for everything beyond.
public struct FineSeries: Sendable {
    /// What a coarse sample is made of.
    public enum Folding: UInt8, Sendable {
        /// The last known fine sample: levels, such as VMs present.
        case last
        /// The sum of all fine samples, filled up for unknown ones: events, such as launches.
        case sum
    }

    /// Everything beyond the coarse sample.
    public private(set) var coarse: SeriesForecaster
    public let folding: Folding
    /// Fine samples per coarse one.
    public let ratio: Int
    /// Coarse samples that were rejected, as absurd jumps: since the start of the process.
    public private(set) var coarseRejections = 0
    /// The newest coarse sample that was told of, known or not.
    public var coarseTick: Int { coarse.tick }
    private var rises = ShortRises()
    private var sum = 0.0
    private var last = 0.0
    private var known = 0
    private var tick = -1
    /// Newest tick that was told of, known or not.
    private var told = -1
    private var doubts = SampleDoubts()
    /// Of the indicators of the coarse sample under way.
    private var indicatorSums = SIMD8<Float>()
    private var indicatorsKnown: UInt32 = 0
    private var indicatorCount: UInt8 = 0

    /// - Parameter ratio: fine samples per coarse one, at least 2: 30 for ten seconds and five minutes.
    public init(plan: SeriesPlan, prior: FleetPrior, ratio: Int = 30, folding: Folding = .last) {
        precondition(ratio >= 2, "a coarse sample holds at least two fine ones, not \(ratio)")
        coarse = SeriesForecaster(plan: plan, prior: prior)
        self.ratio = ratio
        self.folding = folding
    }

    /// Borrows from another fleet from now on.
    mutating func adopt(_ prior: FleetPrior) { coarse.prior = prior }

    /// Learns one fine sample; those in between that nobody told of are unknown.
    ///
    /// - Parameter indicators: as in ``SeriesForecaster/observe(_:at:indicators:)``; the mean of those that are known within
    ///   a coarse sample is given on.
    /// - Throws: ``SampleRejection``, having changed nothing.
    public mutating func observe(
        _ value: Double, at tick: Int, indicators: [Double] = []
    ) throws(SampleRejection) {
        guard value.isFinite else { throw .notFinite }
        guard value >= 0 else { throw .negative(value) }
        guard value <= coarse.plan.configuration.valueMax else { throw .tooLarge(value) }
        guard tick >= 0 else { throw .beforeTime(tick: tick) }
        if self.tick >= 0 {
            guard tick > self.tick else { throw .late(tick: tick, newest: self.tick) }
            let span = coarse.plan.doubtSpan * ratio
            guard tick - self.tick <= coarse.plan.configuration.tickLeapMax * ratio,
                doubts.accept(tick, newest: max(told, self.tick), span: span)
            else { throw .future(tick: tick, newest: self.tick) }
            guard doubts.accept(value, at: tick, usual: usualMax, span: span) else {
                throw .absurdJump(value)
            }
            if tick / ratio != self.tick / ratio { close() }
        }
        if tick != self.tick + 1 { rises.interrupt() }
        self.tick = tick
        told = max(told, tick)
        rises.add(Float(value))
        sum += value
        last = value
        known += 1
        note(indicators)
        if tick % ratio == ratio - 1 { close() }
    }

    /// The samples up to `tick` are unknown; one of a tick among them may still come.
    public mutating func skip(to tick: Int) {
        guard self.tick >= 0, tick > self.tick, tick - self.tick <= coarse.plan.configuration.tickLeapMax * ratio
        else { return }
        told = max(told, tick)
        if tick / ratio != self.tick / ratio { close() }
        coarse.skip(to: tick / ratio - 1)
        rises.interrupt()
    }

    /// Above it a sample is absurd. The coarse series has not seen what is under way.
    var usualMax: Double { max(coarse.usualMax, coarse.plan.configuration.jumpMax * max(1, last)) }

    private mutating func note(_ indicators: [Double]) {
        let kept = indicators.prefix(IndicatorRegression.indicatorMax)
        guard !kept.isEmpty, kept.allSatisfy(IndicatorRegression.accepts) else { return }
        for (lane, value) in kept.enumerated() { indicatorSums[lane] += Float(value) }
        indicatorsKnown += 1
        indicatorCount = UInt8(kept.count)
    }

    private mutating func close() {
        defer {
            sum = 0
            known = 0
            indicatorSums = SIMD8()
            indicatorsKnown = 0
        }
        guard known > 0, folding == .last || 2 * known >= ratio else { return }
        let value = folding == .last ? last : sum * Double(ratio) / Double(known)
        let indicators =
            indicatorsKnown > 0
            ? (0..<Int(indicatorCount)).map { Double(indicatorSums[$0] / Float(indicatorsKnown)) } : []
        do {
            try coarse.observe(
                min(value, coarse.plan.configuration.valueMax), at: tick / ratio, indicators: indicators,
                isVetted: true)
        } catch {
            coarseRejections += 1
        }
    }

    /// Quantiles at ``Quantile/levels`` of the largest value within so many fine samples; nil while too little was seen.
    ///
    /// - Parameter ticks: 1 ... 30; the next longer followed lead answers.
    public func peak(within ticks: Int) -> SIMD8<Float>? { rises.peak(within: ticks, from: Float(last)) }

    public func encoded() -> [UInt8] {
        var copy = self
        var writer = StateWriter()
        copy.code(&writer)
        writer.finish()
        return coarse.encoded() + writer.bytes
    }

    /// - Throws: ``SeriesStateError``.
    public init(
        encoded bytes: [UInt8], plan: SeriesPlan, prior: FleetPrior, ratio: Int = 30, folding: Folding = .last
    ) throws(SeriesStateError) {
        self.init(plan: plan, prior: prior, ratio: ratio, folding: folding)
        var probe = StateWriter()
        code(&probe)
        probe.finish()
        let split = bytes.count - probe.bytes.count
        guard split > 0 else { throw .length(bytes.count) }
        coarse = try SeriesForecaster(encoded: Array(bytes[..<split]), plan: plan, prior: prior)
        var reader = StateReader(bytes: Array(bytes[split...]))
        guard reader.isIntact else { throw .corrupt }
        code(&reader)
    }

    private mutating func code(_ coder: inout some StateCoder) {
        rises.code(&coder)
        coder.code(&sum)
        coder.code(&last)
        coder.code(&known)
        coder.code(&tick)
        coder.code(&told)
        doubts.code(&coder)
        coder.code(&indicatorSums)
        coder.code(&indicatorsKnown)
        coder.code(&indicatorCount)
    }
}

/// How far a fine series rises within a few samples: decayed histograms of rises, one window at a time per lead.
struct ShortRises: Sendable, Hashable {
    static let leads: [Int32] = [1, 3, 6, 12, 30]
    /// Weight after a halving; doubles over some four thousand samples.
    private static let baseWeight: Float = 16
    private static let countMin: Float = 20

    private struct Window: Hashable {
        var start: Float = 0
        var top: Float = 0
        /// Samples to come; zero before the first.
        var left: Int32 = 0
        var count: Float = 0
        var rise: Float = 0
        var weight: Float = baseWeight
        /// log2-spaced gain of the weight per window.
        var growth: Float
    }

    private var windows: [Window]
    private var bins: [UInt16]

    init() {
        windows = Self.leads.map { Window(growth: Float(Elementary.exp2(Double($0) / 4096))) }
        bins = Array(repeating: 0, count: Self.leads.count * ResidualGrid.count)
    }

    /// Windows under way say nothing.
    mutating func interrupt() { for index in windows.indices { windows[index].left = 0 } }

    mutating func add(_ value: Float) {
        for index in windows.indices {
            if windows[index].left > 0 {
                windows[index].top = max(windows[index].top, value)
                windows[index].left -= 1
                if windows[index].left == 0 { record(index) }
            }
            guard windows[index].left == 0 else { continue }
            windows[index].start = value
            windows[index].top = value
            windows[index].left = Self.leads[index]
        }
    }

    private mutating func record(_ index: Int) {
        var window = windows[index]
        let rise = window.top - window.start
        window.count = window.count / window.growth + 1
        window.rise += (rise - window.rise) / window.count
        window.weight *= window.growth
        let first = index * ResidualGrid.count
        if window.weight >= 2 * Self.baseWeight {
            window.weight /= 2
            for bin in first..<first + ResidualGrid.count { bins[bin] >>= 1 }
        }
        let place = first + ResidualGrid.bin(of: rise / max(window.rise, 1e-9))
        bins[place] = UInt16(min(UInt32(bins[place]) + UInt32(window.weight), UInt32(UInt16.max)))
        windows[index] = window
    }

    func peak(within ticks: Int, from value: Float) -> SIMD8<Float>? {
        guard let index = Self.leads.firstIndex(where: { Int($0) >= ticks }), windows[index].count >= Self.countMin
        else { return nil }
        var counts = InlineArray<17, Float>(repeating: 0)
        for bin in 0..<ResidualGrid.count { counts[bin] = Float(bins[index * ResidualGrid.count + bin]) }
        return value + windows[index].rise * ResidualGrid.quantiles(counts).positive
    }

    mutating func code(_ coder: inout some StateCoder) {
        for index in windows.indices {
            coder.code(&windows[index].start)
            coder.code(&windows[index].top)
            coder.code(&windows[index].left)
            coder.code(&windows[index].count)
            coder.code(&windows[index].rise)
            coder.code(&windows[index].weight)
        }
        for bin in bins.indices { coder.code(&bins[bin]) }
    }
}
