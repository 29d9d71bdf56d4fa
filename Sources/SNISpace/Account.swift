import NetworkTypes

/// What the book keeps of one application. Nothing in it is expanded per identifier or per block.
struct Account: Sendable {
    /// Upper bound on identifiers owned; 0 means none.
    var cap = 0
    /// Identifiers that others must leave room for.
    var floor = 0
    var rank = ClassRank.lowest
    /// Identifiers owned.
    var owned = 0
    /// Those of them that leave the pool when they are freed, in whole granules.
    var leaving = 0
    /// Identifiers by lease state.
    var byState = StateCounts()
    /// Reservations in force.
    var claims = 0
    /// Chunks where it leases something that no claim covers.
    var unclaimed = ChunkSet()
    /// Chunks that it owns something of.
    var chunks = ChunkSet()
    /// The same by the sizes of its ranges (maximal blocks owned) and idle blocks (owned and not leased) in them.
    var ranges = LevelSets()
    var idle = LevelSets()
    /// Chunks that were opened for it, by the size of their largest free block.
    var hotHomes = LevelSets()
    var coldHomes = LevelSets()
    /// Number of these chunks, full ones included.
    var homes = 0

    /// Identifiers that could be taken away without going below its floor, those that are on their way out not counted.
    var spare: Int {
        max(0, owned - leaving - byState[.marked] - byState[.draining] - byState[.quarantined] - floor)
    }

    /// Identifiers that are still to be granted for its floor. Nothing smaller than four is granted.
    var floorDebt: Int { max(0, (floor + 3) & ~3 - (owned - leaving)) }

    /// It owns something, or something was promised or forbidden to it.
    var isKnown: Bool { owned != 0 || cap != 0 || floor != 0 || rank != .lowest }
    /// Nothing refers to it.
    var isBlank: Bool { !isKnown && homes == 0 }
}

/// What the book keeps of one host.
struct Holder: Sendable {
    /// The head of the list of its leases, by first identifier.
    var first = LeaseRecord.end
    var leases = 0
    /// Identifiers sub-leased to it.
    var subleases = IdentifierSet()
}

/// Identifiers by lease state.
struct StateCounts: Hashable, Sendable {
    private var counts = SIMD8<Int32>.zero

    subscript(state: LeaseState) -> Int {
        get { Int(counts[Self.place(state)]) }
        set { counts[Self.place(state)] = Int32(newValue) }
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
struct Claim: Sendable {
    var reservation: Reservation
    var identifiers: Int
    /// Those of them that are not leased.
    var idle: Int
    /// When it ends, as far as the book was told.
    var until: Instant
    /// Number of its application.
    var owner: UInt32

    init(reservation: Reservation, identifiers: Int, owner: UInt32) {
        self.reservation = reservation
        self.identifiers = identifiers
        idle = identifiers
        until = Self.unknownStart + reservation.lifetime
        self.owner = owner
    }

    /// Where lifetimes count from until somebody says when they end.
    static let unknownStart = Instant(nanoseconds: 0)

    var hasIdle: Bool { idle > 0 }
    var hasLeased: Bool { identifiers > idle }

    /// Stands at numbers out of use.
    static let none = Claim(
        reservation: Reservation(
            id: ReservationID(UUID128(high: 0, low: 0)), application: ApplicationID(UUID128(high: 0, low: 0)),
            block: SNIBlock(aligned: 0, order: 0), predicted: false, lifetime: .zero, reason: ""), identifiers: 0,
        owner: 0)
}

/// The open chunks.
struct PageTable: Sendable {
    /// One more than the place of a chunk's page; 0 for a closed chunk.
    private var places: [Int32]
    private var pages: [Page] = []
    private var vacant: [Int] = []
    private let blank: Page

    /// - Parameter chunks: one more than the last chunk that may ever be opened.
    init(chunks: Int, depth: Int) {
        places = Array(repeating: 0, count: chunks)
        blank = Page(number: 0, index: 0, home: 0, depth: depth)
    }

    func place(of chunk: UInt32) -> Int? {
        guard chunk < places.count else { return nil }
        let place = places[Int(chunk)]
        return place == 0 ? nil : Int(place) - 1
    }

    subscript(place: Int) -> Page {
        _read { yield pages[place] }
        _modify { yield &pages[place] }
    }

    /// Nil when the chunk is closed.
    subscript(chunk chunk: UInt32) -> Page? { place(of: chunk).map { pages[$0] } }

    mutating func open(_ page: Page) {
        let place = vacant.popLast() ?? pages.count
        if place == pages.count { pages.append(page) } else { pages[place] = page }
        places[Int(page.number)] = Int32(place + 1)
    }

    mutating func close(_ chunk: UInt32) {
        guard let place = place(of: chunk) else { return }
        pages[place] = blank
        places[Int(chunk)] = 0
        vacant.append(place)
    }

    /// The first open chunk from one on.
    func next(from chunk: UInt32) -> UInt32? {
        guard chunk < places.count else { return nil }
        return places[Int(chunk)...].firstIndex { $0 != 0 }.map { UInt32($0) }
    }

    /// Calls `body` with every page, by chunk number.
    func forEach<Failure: Error>(_ body: (Page) throws(Failure) -> Void) throws(Failure) {
        for place in places where place != 0 { try body(pages[Int(place) - 1]) }
    }
}
