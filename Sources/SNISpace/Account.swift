import NetworkTypes

/// What the book keeps of one application. All indices are over blocks; nothing is expanded per identifier.
struct Account: Hashable, Sendable {
    /// Upper bound on identifiers owned; 0 means none.
    var cap = 0
    /// Identifiers that others must leave room for.
    var floor = 0
    var rank = ClassRank.lowest
    /// Everything it owns; the maximal blocks are its ranges, so that a neighbour buddy joins its range by itself.
    var owned: BuddyIndex
    /// Owned and not leased.
    var idle: BuddyIndex
    /// Leased, staged or marked: what hosts and peers carry.
    var active: BuddyIndex
    /// First identifiers of its leased blocks, in any lease state.
    var leases = IdentifierSet()
    var reservations: Set<ReservationID> = []
    /// Identifiers by lease state.
    var byState = StateCounts()

    init(chunkOrder: Int) {
        owned = BuddyIndex(orderMax: chunkOrder)
        idle = BuddyIndex(orderMax: chunkOrder)
        active = BuddyIndex(orderMax: chunkOrder)
    }

    /// Identifiers that could be taken away without going below its floor, those that are on their way out not counted.
    var spare: Int {
        max(0, owned.identifiers - byState[.marked] - byState[.draining] - byState[.quarantined] - floor)
    }

    /// Identifiers of its floor that it does not own yet.
    var floorDebt: Int { max(0, floor - owned.identifiers) }

    var isBlank: Bool { owned.isEmpty && cap == 0 && floor == 0 && rank == .lowest }
}

/// An open chunk.
struct Chunk: Hashable, Sendable {
    /// Its place in the keyed order.
    var index: Int
    /// The application that it was opened for, which finds its room first.
    var home: ApplicationID
    var free: BuddyIndex
    /// Neither free nor owned: they left the pool.
    var withdrawn: BuddyIndex
    /// Identifiers that applications own; an open chunk without any closes.
    var owned = 0

    /// Stands where a dictionary wants a default; never stored.
    static let none = Chunk(
        index: 0, home: ApplicationID(UUID128(high: 0, low: 0)), free: BuddyIndex(orderMax: 0),
        withdrawn: BuddyIndex(orderMax: 0))
}

/// The chunks of one application whose largest free block has one order.
struct HomeKey: Hashable, Sendable {
    var application: ApplicationID
    var order: Int
}

/// Identifiers by lease state.
struct StateCounts: Hashable, Sendable {
    private var counts = Array(repeating: 0, count: LeaseState.allCases.count)

    subscript(state: LeaseState) -> Int {
        get { counts[Self.place(state)] }
        set { counts[Self.place(state)] = newValue }
    }

    private static func place(_ state: LeaseState) -> Int {
        switch state {
        case .leased: 0
        case .staged: 1
        case .marked: 2
        case .draining: 3
        case .quarantined: 4
        }
    }
}

/// A reservation and what is left of it: freed blocks are cut out.
struct Claim: Hashable, Sendable {
    var reservation: Reservation
    var pieces: Set<SNIBlock>
}
