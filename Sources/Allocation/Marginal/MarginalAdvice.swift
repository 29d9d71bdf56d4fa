import Forecasting

/// What the rule of marginal value says about one application, as numbers that can travel.
public struct MarginalAdvice: Hashable, Sendable {
    /// Identifiers to hold in total until the next advice, used ones included.
    public var target: Int
    /// Identifiers to keep free at any moment.
    public var extra: Int
    /// VMs that ran when it was decided.
    public var inUse: Int
    /// What an identifier that idles for five minutes costs, in launches served.
    public var price: Double
    /// The expert that was followed: by what rates of levels are divided.
    public var divisor: Double
    /// Its largest floor.
    public var floorMax: Int
    /// Expected launches per five minutes that only the last identifier of the floor would serve; nil without a floor.
    public var floorRate: Double?
    /// The same of the highest level held; nil when none is held beyond the floor.
    public var levelRate: Double?
    /// The same of the first level that is not held any more.
    public var nextRate: Double?

    /// - Returns: nil for numbers that can be no advice: what is negative, not finite, or more than any application has.
    public init?(
        target: Int, extra: Int, inUse: Int, price: Double, divisor: Double, floorMax: Int, floorRate: Double? = nil,
        levelRate: Double? = nil, nextRate: Double? = nil
    ) {
        let rates = [price, divisor] + [floorRate, levelRate, nextRate].compactMap(\.self)
        guard [target, extra, inUse, floorMax].allSatisfy({ 0...MarginalBounds.whole ~= $0 }),
            rates.allSatisfy({ $0.isFinite && $0 >= 0 })
        else { return nil }
        (self.target, self.extra, self.inUse, self.price) = (target, extra, inUse, price)
        (self.divisor, self.floorMax, self.floorRate) = (divisor, floorMax, floorRate)
        (self.levelRate, self.nextRate) = (levelRate, nextRate)
    }

    /// Nil for a decision of rates beyond all numbers.
    public init?(_ decision: MarginalDecision) {
        self.init(
            target: decision.target, extra: decision.extra, inUse: decision.inUse, price: Double(decision.price),
            divisor: Double(decision.expert.divisor), floorMax: decision.expert.floorMax,
            floorRate: decision.lastOfFloor.map(Double.init), levelRate: decision.lastLevel.map(Double.init),
            nextRate: decision.nextLevel.map(Double.init))
    }
}

extension MarginalDecision {
    static let none = MarginalDecision(
        target: 0, extra: 0, inUse: 0, price: 0, expert: MarginalExpert(divisor: 1, floorMax: 0, score: 0))

    mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.target, \.extra, \.inUse, \.expert.floorMax] { coder.code(&self[keyPath: path]) }
        for path in [\Self.price, \.expert.divisor, \.expert.score] { coder.code(&self[keyPath: path]) }
        for path in [\Self.lastOfFloor, \.lastLevel, \.nextLevel] {
            var (value, isKnown) = (self[keyPath: path] ?? 0, self[keyPath: path] != nil)
            coder.code(&isKnown)
            coder.code(&value)
            self[keyPath: path] = isKnown ? value : nil
        }
    }

    var isPossible: Bool {
        MarginalAdvice(self) != nil && expert.score.magnitude <= MarginalBounds.number
    }
}
