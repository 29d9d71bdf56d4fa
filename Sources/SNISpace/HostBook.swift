public import NetworkTypes

/// What a host does with an identifier of a block that it leases.
public enum IdentifierUse: UInt8, Hashable, Sendable, CaseIterable {
    /// May be bound.
    case available
    /// A VM interface has it.
    case bound
    /// Kept for a stopped VM, without a port.
    case held
    /// Just unbound; rests before it may be bound again.
    case cooling
}

/// Why the host's half of the book refuses a change. A refused change changes nothing.
public enum HostBookError: Error, Hashable, Sendable {
    /// The host does not lease a block around the identifier, or not exactly this block.
    case unknown(SNIBlock)
    /// It leases identifiers of the block already.
    case overlaps(SNIBlock)
    /// The block is marked or frozen: nothing new is bound in it.
    case closed(SNIBlock)
    /// The identifier is used otherwise than the change supposes.
    case wrongUse(SessionNetworkID, IdentifierUse)
    /// Identifiers of the block are bound, held or cooling.
    case inUse(SNIBlock, count: Int)
}

/// The host's half of the book: every identifier of the blocks that it leases, by what it is used for.
///
/// | change  | available | bound   | held    | cooling   |
/// |---------|-----------|---------|---------|-----------|
/// | bind    | bound     | -       | -       | -         |
/// | hold    | -         | held    | -       | -         |
/// | resume  | -         | -       | bound   | -         |
/// | unbind  | -         | cooling | cooling | -         |
/// | warm up | -         | -       | -       | available |
///
/// A launch takes a staged block of its application before one that is only leased, of these the fullest (so that
/// empty ones can drain), and in it the identifier that is unused for longest. All of it costs the same whatever the
/// number of blocks: the available identifiers of a block are a queue through its cells, the blocks of an application
/// lists by how many they have.
public struct HostBook: Sendable {
    /// Identifiers of a block or an application by use.
    public struct Counts: Hashable, Sendable {
        private var counts = SIMD4<UInt32>.zero
        public init() {}
        public subscript(use: IdentifierUse) -> Int { Int(counts[Int(use.rawValue)]) }

        mutating func add(_ use: IdentifierUse, _ number: Int = 1) { counts[Int(use.rawValue)] += UInt32(number) }
        mutating func subtract(_ use: IdentifierUse, _ number: Int = 1) { counts[Int(use.rawValue)] -= UInt32(number) }

        /// Not available.
        public var inUse: Int { self[.bound] + self[.held] + self[.cooling] }
    }
    struct Cooling: Sendable {
        var sni: UInt32
        var until: Instant
    }
    var blocks: [HostBlock] = []
    private var vacant: [UInt32] = []
    /// Where a block stands in `blocks`, by its first identifier.
    private var places: [UInt32: UInt32] = [:]
    /// How many blocks there are of each order: few orders are in use at once, and only they are looked for.
    private var orders = LevelCounts()
    var shelves = Registry<ApplicationID, HostShelf>(blank: HostShelf())
    var cooling = CoolingQueue()

    public init() {}

    public var blockCount: Int { places.count }

    // MARK: Blocks

    /// Takes a block that the coordinator leased, or one identifier of another host's block, all of it available.
    public mutating func add(
        _ block: SNIBlock, of application: ApplicationID, isStaged: Bool
    ) throws(HostBookError) {
        guard block.order <= 8, place(around: block.first.rawValue) == nil, !holdsPart(of: block) else {
            throw .overlaps(block)
        }
        let shelf = shelves.intern(application, HostShelf())
        shelves[shelf].blocks += 1
        shelves[shelf].counts.add(.available, block.size)
        let place = vacant.popLast() ?? UInt32(blocks.count)
        let new = HostBlock(block, shelf: shelf, isStaged: isStaged)
        if Int(place) == blocks.count { blocks.append(new) } else { blocks[Int(place)] = new }
        places[block.first.rawValue] = place
        orders.add(block.order)
        enlist(place)
    }

    private func holdsPart(of block: SNIBlock) -> Bool {
        (0..<block.order).contains { order in
            orders[order] > 0
                && stride(from: block.first.rawValue, to: block.range.end, by: 1 << order).contains {
                    places[$0] != nil
                }
        }
    }

    /// Every reachable peer carries it now.
    public mutating func stage(_ block: SNIBlock) throws(HostBookError) {
        try reshelve(block) { $0.isStaged = true }
    }

    /// Marked, drained or frozen blocks take no new binding; what is bound stays.
    public mutating func setOpen(_ block: SNIBlock, _ isOpen: Bool) throws(HostBookError) {
        try reshelve(block) { $0.isOpen = isOpen }
    }

    private mutating func reshelve(_ block: SNIBlock, _ body: (inout HostBlock) -> Void) throws(HostBookError) {
        let place = try place(of: block)
        delist(place)
        body(&blocks[Int(place)])
        enlist(place)
    }

    /// Returns a block. Only one that is wholly available: the drain waits for the rest.
    public mutating func remove(_ block: SNIBlock) throws(HostBookError) {
        let place = try place(of: block)
        let counts = blocks[Int(place)].counts
        guard counts.inUse == 0 else { throw .inUse(block, count: counts.inUse) }
        delist(place)
        let shelf = blocks[Int(place)].shelf
        shelves[shelf].blocks -= 1
        shelves[shelf].counts.subtract(.available, block.size)
        if shelves[shelf].blocks == 0 { shelves.remove(shelf) }
        places[block.first.rawValue] = nil
        orders.subtract(block.order)
        blocks[Int(place)].cells = []
        vacant.append(place)
    }

    // MARK: Identifiers

    /// The identifier that the next launch of the application should get; nil when it has none available.
    public func pick(for application: ApplicationID) -> SessionNetworkID? {
        shelves.number(of: application).flatMap(pick(from:))
    }

    private func pick(from shelf: UInt32) -> SessionNetworkID? {
        guard let place = shelves[shelf].fullest, let cell = blocks[Int(place)].available.first else { return nil }
        return SessionNetworkID(unchecked: blocks[Int(place)].first + UInt32(cell))
    }

    /// Binds the identifier that ``pick(for:)`` names.
    public mutating func bind(for application: ApplicationID) -> SessionNetworkID? {
        guard let shelf = shelves.number(of: application), let place = shelves[shelf].fullest,
            let cell = blocks[Int(place)].available.first
        else { return nil }
        let sni = blocks[Int(place)].first + UInt32(cell)
        change(place, cell, to: .bound)
        return SessionNetworkID(unchecked: sni)
    }

    /// Binds one identifier by name: a launch that was promised it, or what runs already.
    public mutating func bind(_ sni: SessionNetworkID) throws(HostBookError) {
        let (place, cell) = try cell(of: sni, as: .available)
        guard blocks[Int(place)].isOpen else { throw .closed(blocks[Int(place)].block) }
        change(place, cell, to: .bound)
    }

    /// The VM stopped and keeps its identifier.
    public mutating func hold(_ sni: SessionNetworkID) throws(HostBookError) {
        let (place, cell) = try cell(of: sni, as: .bound)
        change(place, cell, to: .held)
    }

    /// The VM is back.
    public mutating func resume(_ sni: SessionNetworkID) throws(HostBookError) {
        let (place, cell) = try cell(of: sni, as: .held)
        change(place, cell, to: .bound)
    }

    /// The VM, or its claim on a held identifier, is gone.
    ///
    /// - Parameter until: end of the cooldown; never earlier than that of an earlier call, or it ends with that one.
    public mutating func unbind(_ sni: SessionNetworkID, until: Instant) throws(HostBookError) {
        let (place, cell) = try cell(of: sni, as: .bound, .held)
        change(place, cell, to: .cooling)
        cooling.append(Cooling(sni: sni.rawValue, until: until))
    }

    /// Ends the cooldowns that are over, the longest unused first.
    ///
    /// - Parameter limit: identifiers at most, so that a turn stays short.
    /// - Returns: identifiers that are available again.
    @discardableResult
    public mutating func warmUp(at now: Instant, limit: Int = .max) -> [SessionNetworkID] {
        var warm: [SessionNetworkID] = []
        while warm.count < limit, let next = cooling.first, next.until <= now {
            cooling.removeFirst()
            let sni = SessionNetworkID(unchecked: next.sni)
            guard let place = place(around: next.sni) else { preconditionFailure("\(sni) cools in no block") }
            change(place, UInt16(next.sni - blocks[Int(place)].first), to: .available)
            warm.append(sni)
        }
        return warm
    }

    /// When the next cooldown ends.
    public var nextWarmUp: Instant? { cooling.first?.until }

    // MARK: Queries

    /// Nil when no leased block holds the identifier.
    public func use(of sni: SessionNetworkID) -> IdentifierUse? {
        guard let place = place(around: sni.rawValue) else { return nil }
        return blocks[Int(place)].cells[Int(sni.rawValue - blocks[Int(place)].first)].use
    }

    /// Nil when the host does not lease exactly this block.
    public func counts(of block: SNIBlock) -> Counts? { (try? place(of: block)).map { blocks[Int($0)].counts } }

    public func counts(of application: ApplicationID) -> Counts { shelves[application]?.counts ?? Counts() }

    /// Wholly available blocks of an application, which could be drained at once.
    public func emptyBlocks(of application: ApplicationID) -> [SNIBlock] {
        guard let shelf = shelves.number(of: application) else { return [] }
        return places.values.map { blocks[Int($0)] }.filter { $0.shelf == shelf && $0.counts.inUse == 0 }.map(\.block)
            .sorted()
    }

    // MARK: Cells

    private func place(of block: SNIBlock) throws(HostBookError) -> UInt32 {
        guard let place = places[block.first.rawValue], blocks[Int(place)].block == block else {
            throw .unknown(block)
        }
        return place
    }

    private func place(around sni: UInt32) -> UInt32? {
        var mask = orders.mask
        while mask != 0 {
            let order = UInt32(mask.trailingZeroBitCount)
            mask &= mask - 1
            if let place = places[sni & ~(1 << order - 1)], blocks[Int(place)].order >= order { return place }
        }
        return nil
    }

    private func cell(
        of sni: SessionNetworkID, as use: IdentifierUse, _ other: IdentifierUse? = nil
    ) throws(HostBookError) -> (place: UInt32, cell: UInt16) {
        guard let place = place(around: sni.rawValue) else { throw .unknown(SNIBlock(unit: sni)) }
        let cell = UInt16(sni.rawValue - blocks[Int(place)].first)
        let found = blocks[Int(place)].cells[Int(cell)].use
        guard found == use || found == other else { throw .wrongUse(sni, found) }
        return (place, cell)
    }

    private mutating func change(_ place: UInt32, _ cell: UInt16, to use: IdentifierUse) {
        let before = blocks[Int(place)].cells[Int(cell)].use
        let moves = before == .available || use == .available
        if moves { delist(place) }
        blocks[Int(place)].change(cell, to: use)
        if moves { enlist(place) }
        let shelf = blocks[Int(place)].shelf
        shelves[shelf].counts.subtract(before)
        shelves[shelf].counts.add(use)
    }
}
