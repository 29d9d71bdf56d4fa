public import NetworkTypes

/// An application's claim on identifiers, as first granted.
public struct Reservation: Hashable, Sendable, Codable {
    public var id: ReservationID
    public var application: ApplicationID
    /// What was granted: aligned, a power of two.
    public var block: SNIBlock
    /// Made ahead of demand by the Predictive Allocator.
    public var predicted: Bool
    /// A caller asked for it: it ends by its expiry or by the caller, never by the release schedule.
    public var requested: Bool
    /// Life from now on. A remaining duration, never a deadline: it restarts in full when a coordinator recovers.
    public var lifetime: Duration
    public var reason: String
    /// Repeating the key returns the first answer; empty means none.
    public var idempotencyKey: String
    public init(
        id: ReservationID, application: ApplicationID, block: SNIBlock, predicted: Bool, requested: Bool = false,
        lifetime: Duration, reason: String, idempotencyKey: String = ""
    ) {
        self.id = id
        self.application = application
        self.block = block
        self.predicted = predicted
        self.requested = requested
        self.lifetime = lifetime
        self.reason = reason
        self.idempotencyKey = idempotencyKey
    }
}

/// What came of a request for identifiers.
public struct Grant: Hashable, Sendable {
    public var reservation: Reservation
    /// Identifiers asked for.
    public var wanted: Int
    /// Identifiers asked for and not granted: cap, floors of others or the free runs left allowed only a part.
    public var missing: Int { max(0, wanted - reservation.block.size) }
    public var isPartial: Bool { missing > 0 }

    /// Nil unless the events of a reserve command hold a reservation.
    public init?(_ events: [BookEvent], wanted: Int) {
        guard case .reserved(let reservation)? = events.last else { return nil }
        self.reservation = reservation
        self.wanted = wanted
    }
}

/// A block leased to one host for one application.
public struct BlockLease: Hashable, Sendable, Codable {
    public var block: SNIBlock
    public var application: ApplicationID
    public var host: HostID
    /// Rises at every lease event, and stays above every epoch this block ever had, whoever held it.
    public var epoch: Epoch
    /// Epoch of the grant: what peers know the block by until it is removed.
    public var grantEpoch: Epoch
    /// Leased ahead of demand.
    public var predicted: Bool
    /// Taken out of a range that the application held already.
    public var fromReserved: Bool
    public var state: LeaseState
    /// The state before the mark, to which an abort returns.
    public var stagedBeforeMark: Bool
    /// Why it is being reclaimed; empty while it is not.
    public var reason: String
    /// The host withdraws bound VMs first.
    public var force: Bool
    /// Taken from a host that is off or cut off: nobody waits for its acknowledgement.
    public var fenced: Bool
    public init(
        block: SNIBlock, application: ApplicationID, host: HostID, epoch: Epoch, predicted: Bool, fromReserved: Bool
    ) {
        self.block = block
        self.application = application
        self.host = host
        self.epoch = epoch
        self.grantEpoch = epoch
        self.predicted = predicted
        self.fromReserved = fromReserved
        self.state = .leased
        self.stagedBeforeMark = false
        self.reason = ""
        self.force = false
        self.fenced = false
    }
}

/// States of a leased block; see ``Book`` for the table.
public enum LeaseState: String, Hashable, Sendable, Codable, CaseIterable {
    /// The host may bind it.
    case leased
    /// And every reachable peer's kernel carries it.
    case staged
    /// The host is asked to drain it.
    case marked
    /// Drained for good; owner and peers are removing it.
    case draining
    /// Removed everywhere reachable; rests.
    case quarantined
}

/// What changes the book. Commands of ``Book`` validate and return these; ``Book/apply(_:)`` is the only mutation.
public enum BookEvent: Hashable, Sendable, Codable {
    /// The chunk at `index` of the keyed order is open, `home` is the application that it was opened for.
    case chunkOpened(index: Int, home: ApplicationID)
    /// The chunk at `index` counts as hot or cold.
    case chunkTempered(index: Int, isHot: Bool)
    /// Free identifiers became an application's.
    case reserved(Reservation)
    /// New life, counted from now.
    case reservationExtended(ReservationID, lifetime: Duration)
    /// The claim ended: what is not leased is free again, leased blocks stay with their leases.
    case reservationEnded(ReservationID, reason: String)
    /// A part of what is reserved and not leased is free again, and no longer claimed.
    case unreserved(SNIBlock, ApplicationID)
    /// Reserved identifiers became a host's.
    case leased(BlockLease)
    case staged(SNIBlock)
    case marked(SNIBlock, epoch: Epoch, reason: String, force: Bool)
    case markAborted(SNIBlock, epoch: Epoch)
    case drained(SNIBlock, epoch: Epoch)
    /// Drained without the host's word.
    case fenced(SNIBlock, epoch: Epoch, reason: String)
    case removed(SNIBlock)
    case freed(SNIBlock)
    /// A lease on its way out ended at once: a host holds its identifiers by a lease that the book did not know. They
    /// are not free, and not reclaimed.
    case superseded(SNIBlock)
    /// An identifier of a leased block became another host's; the lease names a block of one.
    case subleased(BlockLease)
    /// Upper and lower bound of what an application owns; a cap of 0 means none.
    case quotaSet(ApplicationID, cap: Int, floor: Int)
    /// The application's class in a shortage.
    case ranked(ApplicationID, ClassRank)
    /// The range leaves the pool as its identifiers become free.
    case excluded(SNIRange)
    /// The range is of the pool again.
    case included(SNIRange)
    /// The application is gone: nothing refers to it any more, and its identity never comes back.
    case applicationForgotten(ApplicationID)
}

/// Rank of an application's priority class in a shortage: higher takes from lower.
public struct ClassRank: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let lowest = ClassRank(rawValue: 0)
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// A block that returned to the free space.
public struct ReclaimedBlock: Hashable, Sendable, Codable {
    /// Rises by one with every entry, from 1.
    public var cursor: UInt64
    public var block: SNIBlock
    public var application: ApplicationID
    public var host: HostID
    public var reason: String
    public init(cursor: UInt64, block: SNIBlock, application: ApplicationID, host: HostID, reason: String) {
        self.cursor = cursor
        self.block = block
        self.application = application
        self.host = host
        self.reason = reason
    }
}
