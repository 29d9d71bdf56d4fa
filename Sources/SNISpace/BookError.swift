public import NetworkTypes

/// Why the book refuses a command. A refused command changes nothing.
public enum BookError: Error, Hashable, Sendable {
    /// No free run is large enough, with the identifiers still free in all.
    case exhausted(wanted: Int, free: Int)
    /// Others come first for what is free, or comes free: higher classes, and equals who have waited longer.
    case awaited(wanted: Int, ahead: Int)
    /// A cap, or the floors of other applications, forbid it.
    case quota(cap: Int, owned: Int, wanted: Int)
    /// The application holds no reserved block of that size.
    case nothingReserved(ApplicationID, size: Int)
    case unknownReservation(ReservationID)
    /// Nobody leases exactly this block.
    case unknownBlock(SNIBlock)
    /// The message names an epoch that is not in force.
    case stale(SNIBlock, named: Epoch, inForce: Epoch)
    /// The state table has no such transition.
    case wrongState(SNIBlock, IdentifierState, BookVerb)
    /// The idempotency key stands for another request.
    case keyReused(String)
    /// The application still owns identifiers.
    case stillOwns(ApplicationID, identifiers: Int)
    /// The application was forgotten: its identity is not used again.
    case retired(ApplicationID)
    /// Sub-leases inside the block are alive.
    case subleased(SNIBlock, count: Int)
    /// Identifiers of the range are not of the pool, or left it.
    case outsidePool(SNIRange)
    /// The two ranges share identifiers.
    case overlapping(SNIRange, SNIRange)
    /// The range is not being excluded.
    case notExcluded(SNIRange)
    case invalid(field: String, why: String)
    /// A snapshot says of one part what cannot be together.
    case contradictory(part: String, why: String)
}
