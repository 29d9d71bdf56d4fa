import Forecasting
import NetworkTypes

/// One application in one interval, as another source than the agents tells it.
public struct ExternalSample: Hashable, Sendable {
    /// Name or id.
    public var application: ApplicationReference
    public var vms: Int
    /// In one aggregate interval; nil when not known: then what the VMs rose by.
    public var launches: Int?
    /// In one aggregate interval.
    public var usage: FleetSample.Usage
    public init(
        application: ApplicationReference, vms: Int, launches: Int? = nil,
        usage: FleetSample.Usage = FleetSample.Usage()
    ) {
        self.application = application
        self.vms = vms
        self.launches = launches
        self.usage = usage
    }
}

/// What was learnt elsewhere from an application's past.
public struct LearntPast: Hashable, Sendable {
    /// Of an `ApplicationForecaster`.
    public var forecaster: [UInt8]
    /// Of an ``ApplicationHistory``.
    public var history: [UInt8]
    /// Last slot that it covers.
    public var slot: Int
    /// Of a `MarginalProfile`; nil when the rule of marginal value was told nothing.
    public var marginal: [UInt8]?
    public init(forecaster: [UInt8], history: [UInt8], slot: Int, marginal: [UInt8]? = nil) {
        self.forecaster = forecaster
        self.history = history
        self.slot = slot
        self.marginal = marginal
    }

    /// As an event holds it.
    init(slot: Int, _ forecaster: String, _ history: String, _ marginal: String?) {
        self.init(
            forecaster: Base64.bytes(forecaster), history: Base64.bytes(history), slot: slot,
            marginal: marginal.map(Base64.bytes))
    }
}

/// What became of external samples, for counters.
public struct ExternalOutcome: Hashable, Sendable {
    public var taken = 0
    /// No application has that name or id.
    public var unknown = 0
    /// More than any application can have.
    public var refused = 0
    public init() {}
}

/// The newest word of another source about an application.
struct ExternalWord: Hashable, Sendable {
    var sample: ExternalSample
    var heard: Instant
    var until: Instant
    /// Its launches were counted in a sample.
    var isCounted = false
}

/// A second source of samples: what agents say of a moment wins over it, what it says fills moments of which they said
/// nothing.
extension CoordinatorMachine {
    /// Beyond this a count is no count of VMs.
    public static let externalVMsMax = 1 << 24

    /// The newest values, each good for `lifetime`.
    ///
    /// - Parameter clockSlot: aggregate intervals since 1970. Where no agent counts the intervals, this does.
    mutating func observe(_ samples: [ExternalSample], clockSlot: Int, lifetime: Duration) -> Reply {
        var outcome = ExternalOutcome()
        for sample in samples {
            guard let record = try? resolve(sample.application) else {
                outcome.unknown += 1
                continue
            }
            guard (0...Self.externalVMsMax).contains(sample.vms), (sample.launches ?? 0) >= 0 else {
                outcome.refused += 1
                continue
            }
            live.external[record.id] = ExternalWord(sample: sample, heard: now, until: now + lifetime)
            outcome.taken += 1
        }
        beatWithoutAgents(clockSlot, hasSamples: !samples.isEmpty)
        return .observed(outcome)
    }

    /// Where no agent reports, the other source's samples are the beat of the fleet.
    private mutating func beatWithoutAgents(_ clockSlot: Int, hasSamples: Bool) {
        guard !live.hosts.values.contains(where: { $0.reach.isStreaming }), live.slots.isEmpty, mayBeat else { return }
        // A store from before slots began at 1970 counts on as it did.
        let clock = configuration.profiler == .alone ? reckonedSlot ?? state.slot : clockSlot
        let leap = clock - state.slot
        let isClock = leap > 0 && leap <= Self.slotLeapMax
        // A clock that stands still or went back: time passes nevertheless.
        let isDue = hasSamples && live.beaten.map { now - $0 >= configuration.aggregateInterval } ?? true
        let slot = isClock ? clock : state.slot + (isDue ? 1 : 0)
        guard slot > state.slot else { return }
        live.beaten = now
        live.slots[slot] = SlotFill(firstArrival: now)
        foldSlots()
    }

    /// What another source says of an application in the slot that is being folded, if it may speak.
    ///
    /// - Parameters:
    ///   - agents: what the agents say, nil where one that matters said nothing.
    ///   - isTheirs: agents speak of this application.
    mutating func external(
        for application: ApplicationID, agents: FleetSample.Demand?, isTheirs: Bool
    ) -> FleetSample.Demand? {
        guard let word = live.external[application] else { return nil }
        guard word.until > now else {
            live.external[application] = nil
            return nil
        }
        guard isTheirs else { return taken(word, application) }
        if let agents {
            // Both spoke: how far they agree decides whether one may stand in for the other.
            let difference = abs(agents.vms - word.sample.vms)
            live.agreement[application] = difference <= max(2, agents.vms / 4)
            live.feed.externalOverruled += 1
            return nil
        }
        guard live.agreement[application] == true else {
            live.feed.externalDisagreeing += 1
            return nil
        }
        return taken(word, application)
    }

    private mutating func taken(_ word: ExternalWord, _ application: ApplicationID) -> FleetSample.Demand {
        let before = state.series[application]?.demand.current ?? word.sample.vms
        let rise = max(0, word.sample.vms - before)
        let launches = word.isCounted ? 0 : max(rise, word.sample.launches ?? 0)
        live.external[application]?.isCounted = true
        live.feed.externalTaken += 1
        let usage = word.sample.usage
        return FleetSample.Demand(
            vms: word.sample.vms, peak: max(word.sample.vms, before), launches: launches,
            stops: max(0, before + launches - word.sample.vms), load: usage.load, usage: usage.known)
    }

    // MARK: The past

    /// An application that has learnt nothing worth keeping takes what was learnt of its past elsewhere.
    mutating func backfill(
        _ reference: ApplicationReference, _ past: LearntPast
    ) throws(CoordinatorError) -> Reply {
        let record = try resolve(reference)
        guard mayBackfill(record.id) else {
            throw .invalid(field: "application", why: "\(record.name) has a past of its own")
        }
        guard past.slot <= state.slot, state.restorable(past, of: record.id) else {
            throw .invalid(field: "past", why: "is of another interval or version, or from the future")
        }
        commit(
            .backfilled(
                record.id, slot: past.slot, forecaster: Base64.text(past.forecaster),
                history: Base64.text(past.history), marginal: past.marginal.map(Base64.text)))
        return .application(info(record))
    }

    /// Nobody told of it: neither another source of its past, nor an agent of its VMs for more than the first few
    /// minutes, which give way to a past.
    func mayBackfill(_ application: ApplicationID) -> Bool {
        guard let forecaster = state.series[application], !state.fed.contains(application) else { return false }
        return !state.agentsSpoke.contains(application)
            || forecaster.demand.samples < ProfileConfiguration.coldSamples
    }
}
