public import Forecasting
public import NetworkTypes

/// How slots of samples make ticks of the rule.
public struct MarginalClock: Hashable, Sendable {
    /// Seconds of a slot.
    let interval: Double
    public let slotsPerTick: Int
    let settings: MarginalSettings

    /// Ticks of about five minutes.
    ///
    /// - Returns: nil where slots are longer than any tick.
    public init?(interval: Duration) {
        let seconds = interval / .seconds(1)
        guard seconds > 0 else { return nil }
        let slots = max(1, Int(min(1e6, MarginalSettings.standard.tick / seconds).rounded()))
        let tick = Double(slots) * seconds
        guard let settings = try? MarginalSettings(tick: tick, lead: min(tick, MarginalSettings.standard.lead)) else {
            return nil
        }
        (self.interval, slotsPerTick, self.settings) = (seconds, slots, settings)
    }

    /// Ticks of different applications end in different slots, so that no slot has the decisions of all of them.
    public func phase(of application: ApplicationID) -> Int { Int(application.uuid.low % UInt64(slotsPerTick)) }
}

/// One application as the rule sees it, fed with samples of a fixed interval: a value, and nothing in it reads a clock.
///
/// A sample is a slot long, and all that happened in it counts as of its middle. Where its VMs are others than launches and
/// stops make of those before, the difference counts as launches or stops that nobody told of. A tick closes with its last
/// slot; one of which no slot is known teaches nothing.
public struct MarginalProfile: Hashable, Sendable {
    /// Ticks that a decision may serve beyond the one after it, while nothing is known.
    static let spareTicks = 3
    /// More VMs or launches than any application can have.
    private static let countMax = SessionNetworkID.spaceSize

    let phase: Int
    /// Nil until a sample is known.
    private(set) var allocator: MarginalAllocator?
    /// The last slot that was told of.
    private(set) var newest: Int
    /// The last slot that was known.
    private var known: Int
    /// The running tick, by slots and phase.
    private var tick: Int
    /// Some slot of it was known.
    private var isTickKnown = false
    private(set) var decision: MarginalDecision?
    /// The tick that the decision closed.
    private var decided = 0

    /// - Parameters:
    ///   - slot: last one before the first that it will be told of.
    ///   - phase: see ``MarginalClock/phase(of:)``.
    public init(after slot: Int, phase: Int, clock: MarginalClock) {
        (self.phase, newest, known) = (phase, slot, slot)
        tick = Self.tick(of: slot + 1, phase, clock)
    }

    private static func tick(of slot: Int, _ phase: Int, _ clock: MarginalClock) -> Int {
        (max(0, slot) + phase) / clock.slotsPerTick
    }

    /// One slot, later than all before; others are left out.
    ///
    /// - Parameters:
    ///   - sample: nil when it is unknown.
    ///   - policy: with which a tick that ends here is decided.
    public mutating func observe(
        _ sample: DemandSample?, at slot: Int, clock: MarginalClock, policy: MarginalPolicy,
        constants: MarginalConstants = .shipped
    ) {
        guard slot > newest, slot <= MarginalBounds.whole else { return }
        let now = Self.tick(of: slot, phase, clock)
        if now > tick { close(now - tick, policy, constants) }
        newest = slot
        let place = (slot + phase) % clock.slotsPerTick
        if let sample { feed(sample, at: slot, offset: (Double(place) + 0.5) * clock.interval, clock) }
        if place == clock.slotsPerTick - 1 { close(1, policy, constants) }
    }

    /// The running tick, and those behind it of which nothing was told.
    private mutating func close(_ count: Int, _ policy: MarginalPolicy, _ constants: MarginalConstants) {
        var silent = count
        if isTickKnown {
            decision = allocator?.endTick(policy, constants: constants)
            decided = tick
            isTickKnown = false
            silent -= 1
        }
        allocator?.skip(silent)
        tick += count
    }

    private mutating func feed(_ sample: DemandSample, at slot: Int, offset: Double, _ clock: MarginalClock) {
        func whole(_ count: Int) -> Int { min(max(0, count), Self.countMax) }
        let vms = whole(sample.concurrent)
        var (launches, stops) = (whole(sample.launches), whole(sample.stops))
        let before = max(0, vms - launches + stops)
        var rule = allocator ?? MarginalAllocator(inUse: before, settings: clock.settings)
        allocator = nil
        // Longer ago than a tick: what came and went meanwhile was no launch that anybody could have served.
        if slot - known > clock.slotsPerTick { rule.resume(inUse: before) }
        let untold = vms - (rule.demand.inUse + launches - stops)
        launches += max(0, untold)
        stops += max(0, -untold)
        // As many stops come before the launches as the peak asks for.
        let early = min(max(0, rule.demand.inUse + launches - max(vms, whole(sample.peak))), stops, rule.demand.inUse)
        rule.stop(early, at: offset)
        rule.launch(launches, at: offset)
        rule.stop(stops - early, at: offset)
        (known, isTickKnown) = (slot, true)
        allocator = rule
    }

    /// The last decision; nil before the first tick closed, and when nothing was known for so long that it says nothing of
    /// the present.
    ///
    /// - Parameter slot: the last one that is over.
    public func advice(at slot: Int, clock: MarginalClock) -> MarginalAdvice? {
        guard let decision, Self.tick(of: slot + 1, phase, clock) - decided <= 1 + Self.spareTicks else { return nil }
        return MarginalAdvice(decision)
    }

    /// Bytes of the state, arrays included.
    public var bytes: Int {
        MemoryLayout<Self>.size + (allocator?.bytes ?? 0) - MemoryLayout<MarginalAllocator>.size
    }
}

/// As bytes, little-endian: version, slots of a tick, place, decision, rule, checksum.
extension MarginalProfile {
    private static let version: UInt8 = 1

    public func encoded(clock: MarginalClock) -> [UInt8] {
        var copy = self
        var writer = StateWriter()
        var version = Self.version
        var slots = clock.slotsPerTick
        writer.code(&version)
        writer.code(&slots)
        copy.code(&writer)
        var (hasDecision, hasRule) = (decision != nil, allocator != nil)
        writer.code(&hasDecision)
        copy.decision?.code(&writer)
        writer.code(&hasRule)
        copy.allocator?.write(&writer)
        writer.finish()
        return writer.bytes
    }

    /// - Throws: ``MarginalStateError``; no bytes are taken that ``encoded(clock:)`` would not write.
    public init(encoded bytes: [UInt8], phase: Int, clock: MarginalClock) throws(MarginalStateError) {
        var reader = try MarginalBounds.reader(of: bytes, version: Self.version)
        var slots = 0
        reader.code(&slots)
        guard slots == clock.slotsPerTick else { throw .otherTicks }
        self.init(after: 0, phase: phase, clock: clock)
        code(&reader)
        guard isPossible(clock) else { throw .impossible("place") }
        var (hasDecision, hasRule) = (false, false)
        reader.code(&hasDecision)
        if hasDecision {
            var read = MarginalDecision.none
            read.code(&reader)
            guard read.isPossible else { throw .impossible("decision") }
            decision = read
        }
        reader.code(&hasRule)
        if hasRule {
            let rule = try MarginalAllocator(reading: &reader)
            guard rule.settings == clock.settings else { throw .otherTicks }
            allocator = rule
        }
        guard reader.isAtEnd else { throw .length(bytes.count) }
        guard encoded(clock: clock) == bytes else { throw .corrupt }
    }

    private mutating func code(_ coder: inout some StateCoder) {
        for path in [\Self.newest, \.known, \.tick, \.decided] { coder.code(&self[keyPath: path]) }
        coder.code(&isTickKnown)
    }

    private func isPossible(_ clock: MarginalClock) -> Bool {
        guard -1...MarginalBounds.whole ~= newest, -1...newest ~= known, 0...tick ~= decided else { return false }
        return tick == Self.tick(of: newest + 1, phase, clock)
    }
}
