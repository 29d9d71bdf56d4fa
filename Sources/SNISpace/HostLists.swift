import NetworkTypes

/// A leased block, with the queue of the identifiers that it offers through its cells.
struct HostBlock: Sendable {
    private static let none = UInt16.max

    struct Cell: Sendable {
        var lastUse: UInt64 = 0
        var previous = HostBlock.none
        var next = HostBlock.none
        var isOffered = false
    }
    let first: UInt32
    let order: UInt32
    let shelf: UInt32
    var rank: HostBook.Rank?
    private(set) var offered = 0
    var cells: [Cell]
    /// Both ends of the queue; the head is unused for longest.
    private var head = HostBlock.none
    private var tail = HostBlock.none
    /// Where it stands in the heap of its application.
    var slot = HostShelf.none

    init(
        _ block: SNIBlock, shelf: UInt32, rank: HostBook.Rank?, lastUse: (SessionNetworkID) -> UInt64?
    ) {
        first = block.first.rawValue
        order = UInt32(block.order)
        self.shelf = shelf
        self.rank = rank
        cells = Array(repeating: Cell(), count: block.size)
        let known = cells.indices.compactMap { cell in
            lastUse(SessionNetworkID(unchecked: first + UInt32(cell))).map { (use: $0, cell: UInt16(cell)) }
        }
        // In order, so that each goes to the end.
        for entry in known.sorted(by: { $0 < $1 }) { offer(entry.cell, lastUse: entry.use) }
    }

    var longestUnused: SessionNetworkID? {
        head == Self.none ? nil : SessionNetworkID(unchecked: first + UInt32(head))
    }

    func isOffered(_ sni: SessionNetworkID) -> Bool { cells[Int(sni.rawValue - first)].isOffered }

    mutating func take(_ cell: UInt16) {
        guard cells[Int(cell)].isOffered else { return }
        let (previous, next) = (cells[Int(cell)].previous, cells[Int(cell)].next)
        if previous == Self.none { head = next } else { cells[Int(previous)].next = next }
        if next == Self.none { tail = previous } else { cells[Int(next)].previous = previous }
        cells[Int(cell)].isOffered = false
        offered -= 1
    }

    mutating func offer(_ cell: UInt16, lastUse: UInt64) {
        guard !cells[Int(cell)].isOffered || cells[Int(cell)].lastUse != lastUse else { return }
        take(cell)
        // From the end: what was used just now belongs there.
        var previous = tail
        while previous != Self.none, (lastUse, cell) < (cells[Int(previous)].lastUse, previous) {
            previous = cells[Int(previous)].previous
        }
        let next = previous == Self.none ? head : cells[Int(previous)].next
        cells[Int(cell)] = Cell(lastUse: lastUse, previous: previous, next: next, isOffered: true)
        if previous == Self.none { head = cell } else { cells[Int(previous)].next = cell }
        if next == Self.none { tail = cell } else { cells[Int(next)].previous = cell }
        offered += 1
    }

    /// Its place among the blocks of its application, lower first; nil when it hands nothing out. Two blocks never have
    /// the same.
    var key: UInt64? {
        guard let rank, offered > 0 else { return nil }
        return UInt64(rank.rawValue) << 48 | UInt64(offered) << 32 | UInt64(first) << 4 | UInt64(order)
    }
}

/// The blocks of one application: a binary heap of those that hand something out.
struct HostShelf: Sendable {
    static let none = UInt32.max
    struct Entry: Sendable {
        var key: UInt64
        var place: UInt32
    }
    var blocks = 0
    var heap: [Entry] = []

    /// Where the block stands that the next launch takes.
    var first: UInt32? { heap.first?.place }
}

extension HostBook {
    /// Puts a block where it belongs in the heap of its application, or takes it out.
    mutating func settle(_ place: UInt32) {
        let (shelf, slot) = (blocks[Int(place)].shelf, blocks[Int(place)].slot)
        guard let key = blocks[Int(place)].key else {
            if slot != HostShelf.none { leave(shelf, Int(slot)) }
            return
        }
        let entry = HostShelf.Entry(key: key, place: place)
        if slot == HostShelf.none {
            shelves[shelf].heap.append(entry)
            rise(shelf, shelves[shelf].heap.count - 1)
        } else {
            shelves[shelf].heap[Int(slot)] = entry
            rise(shelf, Int(slot))
            sink(shelf, Int(blocks[Int(place)].slot))
        }
    }

    private mutating func leave(_ shelf: UInt32, _ slot: Int) {
        blocks[Int(shelves[shelf].heap[slot].place)].slot = HostShelf.none
        let last = shelves[shelf].heap.removeLast()
        guard slot < shelves[shelf].heap.count else { return }
        shelves[shelf].heap[slot] = last
        rise(shelf, slot)
        sink(shelf, Int(blocks[Int(last.place)].slot))
    }

    /// Moves an entry to the front of all that come after it.
    private mutating func rise(_ shelf: UInt32, _ slot: Int) {
        let entry = shelves[shelf].heap[slot]
        var slot = slot
        while slot > 0 {
            let above = shelves[shelf].heap[(slot - 1) / 2]
            guard entry.key < above.key else { break }
            write(above, shelf, slot)
            slot = (slot - 1) / 2
        }
        write(entry, shelf, slot)
    }

    /// Moves an entry behind all that come before it.
    private mutating func sink(_ shelf: UInt32, _ slot: Int) {
        let entry = shelves[shelf].heap[slot]
        let count = shelves[shelf].heap.count
        var slot = slot
        while 2 * slot + 1 < count {
            var child = 2 * slot + 1
            if child + 1 < count, shelves[shelf].heap[child + 1].key < shelves[shelf].heap[child].key { child += 1 }
            let below = shelves[shelf].heap[child]
            guard below.key < entry.key else { break }
            write(below, shelf, slot)
            slot = child
        }
        write(entry, shelf, slot)
    }

    private mutating func write(_ entry: HostShelf.Entry, _ shelf: UInt32, _ slot: Int) {
        shelves[shelf].heap[slot] = entry
        blocks[Int(entry.place)].slot = UInt32(slot)
    }
}
