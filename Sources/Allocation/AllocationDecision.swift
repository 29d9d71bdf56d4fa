public import NetworkTypes

/// Why identifiers are added.
public enum ReservationKind: String, Sendable, Codable, CaseIterable {
    /// On demand: the reactive rules ask for it.
    case standard
    /// Ahead of demand: the forecast asks for it.
    case predicted
}

/// Identifiers to reserve beyond those owned.
public struct ReserveOrder: Hashable, Sendable {
    public var kind: ReservationKind
    /// Whole blocks.
    public var identifiers: Int
    /// Of the smallest block that is of use.
    public var blockOrder: Int
    public var lifetime: Duration
    public init(kind: ReservationKind, identifiers: Int, blockOrder: Int, lifetime: Duration) {
        self.kind = kind
        self.identifiers = identifiers
        self.blockOrder = blockOrder
        self.lifetime = lifetime
    }
}

/// How many blocks one host should hold.
public struct HostShare: Hashable, Sendable {
    public var host: HostID
    /// Blocks it holds.
    public var held: Int
    /// Blocks it should hold.
    public var wanted: Int
    /// Blocks to lease to it now.
    public var lease: Int { max(0, wanted - held) }
    public init(host: HostID, held: Int, wanted: Int) {
        self.host = host
        self.held = held
        self.wanted = wanted
    }
}

/// One planned release: start the reclamation handshake of `block` when `after` has passed and it is still planned.
public struct ScheduledRelease: Hashable, Sendable {
    public var block: SNIBlock
    /// The host that leases it; nil when it is only reserved.
    public var host: HostID?
    /// From the decision on; zero means now.
    public var after: Duration
    public var reason: String
    /// The application keeps it, reserved, for another host; else it goes back to the pool.
    public var isRecall: Bool
    public init(block: SNIBlock, host: HostID?, after: Duration, reason: String, isRecall: Bool = false) {
        self.block = block
        self.host = host
        self.after = after
        self.reason = reason
        self.isRecall = isRecall
    }
}

/// One lease ahead of launches.
public struct LeaseWish: Hashable, Sendable {
    public var host: HostID
    /// Of the block; smaller ones if there is none.
    public var order: Int
    public init(host: HostID, order: Int) {
        self.host = host
        self.order = order
    }
}

/// One decision about one application, with the numbers it rests on.
public struct AllocationDecision: Hashable, Sendable {
    public var application: ApplicationID
    public var mode: PredictionMode
    public var inUse: Int
    public var cooling: Int
    public var pending: Int
    /// Free identifiers that policy or watermark keep.
    public var floor: Int
    /// Quantile of the peak of demand until the next decision plus lead time; nil when the forecast was not used.
    public var forecast: Double?
    /// Identifiers that the application should own.
    public var target: Int
    /// Identifiers that it owns.
    public var owned: Int
    /// Probability that more than `owned` is needed until the next decision plus lead time; nil without a forecast.
    public var confidence: Double?
    /// Confidence above which it acts.
    public var threshold: Double
    public var reserve: ReserveOrder?
    /// By host, in the order of their names.
    public var shares: [HostShare]
    /// In the order of their worth: as far as there are reserved blocks.
    public var leases: [LeaseWish] = []
    /// Extend the reservations of everything not in `releases` to this remaining life.
    public var extendTo: Duration
    /// Soonest first.
    public var releases: [ScheduledRelease]
    /// Why, in words.
    public var reason: String
}
