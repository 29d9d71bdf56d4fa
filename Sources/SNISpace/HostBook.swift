public import NetworkTypes

/// The host's half of the book: which identifiers of its leased blocks may be handed out, and which one is next.
///
/// | call | identifier | block |
/// |---|---|---|
/// | ``put(_:of:rank:lastUse:)`` | offered, or not | comes, or comes anew |
/// | ``setRank(_:_:)`` | - | goes before or behind others, or hands nothing out |
/// | ``take(_:)`` | no longer offered | one fewer |
/// | ``offer(_:lastUse:)`` | offered | one more |
/// | ``remove(_:)`` | - | gone |
///
/// A launch takes a staged block of its application before one that is only leased and that before a marked one; of these
/// the fullest (so that empty ones can drain), of equals the lowest; and in it the identifier that is unused for longest,
/// of equals the lowest. The blocks of an application are a heap in that order, the identifiers of a block a queue through
/// its cells: a pick looks at the first of each, and a change moves one block by the logarithm of their number.
///
/// It only says what is on offer. Why an identifier is not (bound, held, resting, on its way to another host) is known to
/// whoever takes and offers. The coordinator keeps leased blocks apart; nothing here relies on it: an identifier in two
/// blocks is taken from both.
public struct HostBook: Sendable {
    /// Which blocks of an application a launch takes first.
    public enum Rank: UInt8, Hashable, Sendable, CaseIterable {
        /// Every reachable peer carries the block.
        case staged
        case leased
        /// Asked back: the launch keeps it from going.
        case marked
    }

    var blocks: [HostBlock] = []
    private var vacant: [UInt32] = []
    /// Where a block stands in `blocks`.
    private var places: [UInt32: UInt32] = [:]
    /// How many blocks there are of each order: few orders are in use at once, and only they are looked for.
    private var orders = [Int](repeating: 0, count: orderMax + 1)
    private var ordersInUse: UInt16 = 0
    var shelves = Registry<ApplicationID, HostShelf>(blank: HostShelf())

    /// Largest order of a block.
    public static let orderMax = 8

    public init() {}

    public var blockCount: Int { places.count }

    // MARK: Blocks

    /// Takes a block into the book, in place of what the book had under it.
    ///
    /// - Parameters:
    ///   - block: at most 256 identifiers.
    ///   - rank: nil hands nothing out.
    ///   - lastUse: when an identifier was used last, in any unit that grows; nil when it is not on offer.
    public mutating func put(
        _ block: SNIBlock, of application: ApplicationID, rank: Rank?,
        lastUse: (SessionNetworkID) -> UInt64?
    ) {
        precondition(block.order <= Self.orderMax, "\(block) is too large for a lease")
        remove(block)
        let shelf = shelves.intern(application, HostShelf())
        shelves[shelf].blocks += 1
        let place = vacant.popLast() ?? UInt32(blocks.count)
        let new = HostBlock(block, shelf: shelf, rank: rank, lastUse: lastUse)
        if Int(place) == blocks.count { blocks.append(new) } else { blocks[Int(place)] = new }
        places[Self.key(block)] = place
        orders[block.order] += 1
        ordersInUse |= 1 << UInt16(block.order)
        settle(place)
    }

    /// - Parameter rank: nil hands nothing out. A block that is not in the book is left alone.
    public mutating func setRank(_ block: SNIBlock, _ rank: Rank?) {
        guard let place = places[Self.key(block)], blocks[Int(place)].rank != rank else { return }
        blocks[Int(place)].rank = rank
        settle(place)
    }

    /// Forgets a block, and what of it is on offer.
    public mutating func remove(_ block: SNIBlock) {
        guard let place = places.removeValue(forKey: Self.key(block)) else { return }
        blocks[Int(place)].rank = nil
        settle(place)
        let shelf = blocks[Int(place)].shelf
        shelves[shelf].blocks -= 1
        if shelves[shelf].blocks == 0 { shelves.remove(shelf) }
        orders[block.order] -= 1
        if orders[block.order] == 0 { ordersInUse &= ~(1 << UInt16(block.order)) }
        blocks[Int(place)].cells = []
        vacant.append(place)
    }

    // MARK: Identifiers

    /// The identifier that the next launch of the application should get; nil when none is on offer.
    public func pick(for application: ApplicationID) -> SessionNetworkID? {
        guard let shelf = shelves.number(of: application), let place = shelves[shelf].first else { return nil }
        return blocks[Int(place)].longestUnused
    }

    /// Takes the identifier that ``pick(for:)`` names.
    public mutating func take(for application: ApplicationID) -> SessionNetworkID? {
        guard let sni = pick(for: application) else { return nil }
        take(sni)
        return sni
    }

    /// The identifier is not handed out any more.
    public mutating func take(_ sni: SessionNetworkID) {
        change(sni) { $0.take($1) }
    }

    /// The identifier may be handed out.
    ///
    /// - Parameter lastUse: as in ``put(_:of:rank:lastUse:)``. The newest of its block costs least.
    public mutating func offer(_ sni: SessionNetworkID, lastUse: UInt64) {
        change(sni) { $0.offer($1, lastUse: lastUse) }
    }

    // MARK: Queries

    /// How many identifiers of a block are on offer, were its rank one that hands out; nil when it is not in the book.
    public func offered(in block: SNIBlock) -> Int? { places[Self.key(block)].map { blocks[Int($0)].offered } }

    /// Nil when the block is not in the book.
    public func application(of block: SNIBlock) -> ApplicationID? {
        places[Self.key(block)].map { shelves.key(blocks[Int($0)].shelf) }
    }

    /// Whether some block of the book offers the identifier, were its rank one that hands out.
    public func isOffered(_ sni: SessionNetworkID) -> Bool {
        for order in 0...Self.orderMax where ordersInUse & 1 << UInt16(order) != 0 {
            guard let place = place(of: order, around: sni.rawValue) else { continue }
            if blocks[Int(place)].isOffered(sni) { return true }
        }
        return false
    }

    // MARK: Places

    /// The first identifier has 24 bits, the order 4.
    private static func key(_ block: SNIBlock) -> UInt32 { block.first.rawValue << 4 | UInt32(block.order) }

    private func place(of order: Int, around sni: UInt32) -> UInt32? {
        places[(sni & ~(1 << UInt32(order) - 1)) << 4 | UInt32(order)]
    }

    private mutating func change(_ sni: SessionNetworkID, _ body: (inout HostBlock, UInt16) -> Void) {
        var left = ordersInUse
        while left != 0 {
            let order = left.trailingZeroBitCount
            left &= left - 1
            guard let place = place(of: order, around: sni.rawValue) else { continue }
            let before = blocks[Int(place)].offered
            body(&blocks[Int(place)], UInt16(sni.rawValue - blocks[Int(place)].first))
            if blocks[Int(place)].offered != before { settle(place) }
        }
    }
}
