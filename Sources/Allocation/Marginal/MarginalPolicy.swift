/// What an operator says about one application.
public struct MarginalPolicy: Hashable, Sendable {
    /// Cost of a launch that finds no identifier, in idle hours of one identifier.
    public let costRatio: Double
    /// Identifiers that are always kept free.
    public let floor: Int
    /// Identifiers held in total, used ones included; nil: no bound. VMs that run beyond it run on.
    public let cap: Int?

    public init(costRatio: Double, floor: Int = 0, cap: Int? = nil) throws(MarginalError) {
        guard costRatio >= 0.001, costRatio <= 1e6 else { throw .costRatio(costRatio) }
        guard floor >= 0, floor <= cap ?? .max else { throw .floor(floor, cap: cap) }
        (self.costRatio, self.floor, self.cap) = (costRatio, floor, cap)
    }
}

/// How often is decided, and how long it takes until a decision serves.
public struct MarginalSettings: Hashable, Sendable {
    /// Seconds.
    public let tick: Double
    /// Seconds from asking for an identifier until it can be given out.
    public let lead: Double

    public init(tick: Double = 300, lead: Double = 10) throws(MarginalError) {
        guard tick >= 10, tick <= 3600, lead >= 0, lead <= tick else { throw .tick(tick, lead: lead) }
        (self.tick, self.lead) = (tick, lead)
    }

    /// A tick in units of five minutes.
    package var length: Float { Float(tick) / MarginalGrid.tick }

    private init(lead: Double) { (tick, self.lead) = (300, lead) }
    /// Five minutes, and ten seconds.
    public static let standard = MarginalSettings(lead: 10)
}

/// One decision, with the numbers that it rests on.
public struct MarginalDecision: Hashable, Sendable {
    /// Identifiers to hold in total until the next decision, used ones included.
    public var target: Int
    /// Identifiers to keep free at any moment: refilled as soon as a launch takes one.
    public var extra: Int
    /// VMs that run.
    public var inUse: Int
    /// What an identifier that idles for five minutes costs, in launches served.
    public var price: Float
    /// The expert that was followed: by what rates of levels are divided, and the largest floor it may choose.
    public var expert: MarginalExpert
    /// Expected launches per five minutes that only the last identifier of the floor would serve; nil without a floor.
    public var lastOfFloor: Float?
    /// Expected launches per five minutes that only the highest level held would serve; nil when none is held beyond
    /// the floor.
    public var lastLevel: Float?
    /// The same of the first that is not held any more.
    public var nextLevel: Float?
}

/// A correction of the pooled rates for one application.
public struct MarginalExpert: Hashable, Sendable {
    /// Rates of levels are divided by it.
    public var divisor: Float
    /// The largest floor.
    public var floorMax: Int
    /// Launches served less the price of what idled, fading over four weeks.
    public var score: Float
}
