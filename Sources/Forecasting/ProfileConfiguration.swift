/// Time scales of a profile; shared by all series of an installation.
public struct ProfileConfiguration: Hashable, Sendable {
    /// Time between samples.
    public let sampleInterval: Duration
    /// Horizons that are reported and scored, ascending.
    public let horizons: [Duration]
    /// Length of the season; one day unless time is compressed.
    public let dayLength: Duration
    /// Half-life of the empirical distributions.
    public let memory: Duration
    /// Samples per season.
    let ticksPerDay: Int
    let leads: [LeadShape]

    /// Horizons of the design: 5 min, 15 min, 1 h, 6 h, 24 h.
    public static let defaultHorizons: [Duration] = [300, 900, 3600, 21_600, 86_400].map { .seconds($0) }
    /// Leads below the shortest horizon: what it takes until a decision's blocks can serve.
    public static let defaultShortLeads: [Duration] = [10, 30, 60, 120].map { .seconds($0) }
    /// Samples below which a profile is cold.
    public static let coldSamples = 30

    /// - Parameters:
    ///   - shortLeads: leads below the shortest horizon at which the running peak must be known; when time is
    ///     compressed, scale them with everything else.
    ///   - memory: half-life of the empirical distributions; nil means five days.
    public init(
        sampleInterval: Duration = .seconds(10), horizons: [Duration] = defaultHorizons,
        shortLeads: [Duration] = defaultShortLeads, dayLength: Duration = .seconds(86_400), memory: Duration? = nil
    ) {
        precondition(sampleInterval > .zero, "the sample interval is positive, not \(sampleInterval)")
        precondition(dayLength >= sampleInterval, "a day of \(dayLength) is shorter than a sample, \(sampleInterval)")
        self.sampleInterval = sampleInterval
        self.horizons = Set(horizons.filter { $0 > .zero }).sorted()
        self.dayLength = dayLength
        self.memory = memory ?? dayLength * 5
        ticksPerDay = max(1, Int((dayLength / sampleInterval).rounded()))
        let all = (self.horizons + shortLeads.filter { $0 > .zero }).map {
            LeadShape(ticks: max(1, Int(($0 / sampleInterval).rounded())))
        }
        let shapes = Dictionary(all.map { ($0.ticks, $0) }, uniquingKeysWith: { first, _ in first })
        leads = shapes.values.sorted { $0.ticks < $1.ticks }
        precondition(!leads.isEmpty, "a profile needs at least one horizon")
    }

    /// The followed leads, ascending.
    var peakLeads: [Duration] { leads.map { sampleInterval * $0.ticks } }

    /// 2^(ticks / half-life): by how much a newer observation outweighs an older one.
    func growth(ticks: Int, halfLife: Duration? = nil) -> Double {
        Elementary.exp2(Double(ticks) / max(1, (halfLife ?? memory) / sampleInterval))
    }
}

/// How one lead is followed: origins every `stride` samples, `slots` of them under way, so that the cost per sample and
/// the memory do not grow with the lead.
struct LeadShape: Hashable, Sendable {
    static let slotLimit = 12
    /// The lead that is really followed: a multiple of the stride, at most 8 % off what was asked for.
    let ticks: Int
    let stride: Int
    let slots: Int

    init(ticks: Int) {
        stride = (ticks + Self.slotLimit - 1) / Self.slotLimit
        slots = max(1, (ticks + stride / 2) / stride)
        self.ticks = stride * slots
    }
}
