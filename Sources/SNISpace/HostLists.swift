import DequeModule
import NetworkTypes

/// A leased block, with the queue of its available identifiers through its cells.
struct HostBlock: Sendable {
    static let none = UInt16.max

    struct Cell: Sendable {
        var use = IdentifierUse.available
        var previous = HostBlock.none
        var next = HostBlock.none
    }
    /// Both ends of the queue; the head is unused for longest.
    struct Queue: Sendable {
        var head = HostBlock.none
        var tail = HostBlock.none
        var first: UInt16? { head == HostBlock.none ? nil : head }
    }
    let first: UInt32
    let order: UInt32
    let shelf: UInt32
    var isStaged: Bool
    var isOpen = true
    var counts = HostBook.Counts()
    var cells: [Cell]
    var available = Queue()
    /// Neighbours in the list of blocks with as many available identifiers.
    var previous = UInt32.max
    var next = UInt32.max

    init(_ block: SNIBlock, shelf: UInt32, isStaged: Bool) {
        first = block.first.rawValue
        order = UInt32(block.order)
        self.shelf = shelf
        self.isStaged = isStaged
        cells = Array(repeating: Cell(), count: block.size)
        for cell in cells.indices {
            cells[cell].previous = cell == 0 ? Self.none : UInt16(cell - 1)
            cells[cell].next = cell == block.size - 1 ? Self.none : UInt16(cell + 1)
        }
        available = Queue(head: 0, tail: UInt16(block.size - 1))
        counts.add(.available, block.size)
    }

    var block: SNIBlock { SNIBlock(aligned: first, order: Int(order)) }

    mutating func change(_ cell: UInt16, to use: IdentifierUse) {
        let place = Int(cell)
        let before = cells[place].use
        if before == .available { unqueue(cell) }
        if use == .available { queue(cell) }
        cells[place].use = use
        counts.subtract(before)
        counts.add(use)
    }

    private mutating func unqueue(_ cell: UInt16) {
        let (previous, next) = (cells[Int(cell)].previous, cells[Int(cell)].next)
        if previous == Self.none { available.head = next } else { cells[Int(previous)].next = next }
        if next == Self.none { available.tail = previous } else { cells[Int(next)].previous = previous }
    }

    private mutating func queue(_ cell: UInt16) {
        cells[Int(cell)].previous = available.tail
        cells[Int(cell)].next = Self.none
        if available.tail == Self.none { available.head = cell } else { cells[Int(available.tail)].next = cell }
        available.tail = cell
    }
}

/// The blocks of one application: lists by how many identifiers they have available, staged ones apart.
struct HostShelf: Sendable {
    static let none = UInt32.max
    /// By staged, then by number available.
    struct Lists: Sendable {
        /// Heads by number available, grown as needed.
        var heads: [UInt32] = []
        /// Which heads there are: bit `n & 63` of word `n >> 6`, for 0 ... 256.
        var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0), UInt64(0))

        /// The head of the list with the fewest, but at least one.
        var fewest: UInt32? {
            let low = words.0 & ~1
            if low != 0 { return heads[low.trailingZeroBitCount] }
            if words.1 != 0 { return heads[64 + words.1.trailingZeroBitCount] }
            if words.2 != 0 { return heads[128 + words.2.trailingZeroBitCount] }
            if words.3 != 0 { return heads[192 + words.3.trailingZeroBitCount] }
            return words.4 != 0 ? heads[256] : nil
        }

        subscript(number: Int) -> UInt32 {
            get { number < heads.count ? heads[number] : HostShelf.none }
            set {
                while heads.count <= number { heads.append(HostShelf.none) }
                heads[number] = newValue
                let bit: UInt64 = 1 << UInt64(number & 63)
                switch number >> 6 {
                case 0: Self.set(&words.0, bit, newValue)
                case 1: Self.set(&words.1, bit, newValue)
                case 2: Self.set(&words.2, bit, newValue)
                case 3: Self.set(&words.3, bit, newValue)
                default: Self.set(&words.4, bit, newValue)
                }
            }
        }

        private static func set(_ word: inout UInt64, _ bit: UInt64, _ head: UInt32) {
            if head == HostShelf.none { word &= ~bit } else { word |= bit }
        }
    }
    var blocks = 0
    var counts = HostBook.Counts()
    var staged = Lists()
    var leased = Lists()

    mutating func setHead(_ isStaged: Bool, _ number: Int, to place: UInt32) {
        if isStaged { staged[number] = place } else { leased[number] = place }
    }

    /// Where the block stands that the next launch takes.
    var fullest: UInt32? { staged.fewest ?? leased.fewest }
}

extension HostBook {
    /// Puts a block at the head of the list that its number of available identifiers belongs to; a closed one to none.
    mutating func enlist(_ place: UInt32) {
        guard blocks[Int(place)].isOpen else { return }
        let number = blocks[Int(place)].counts[.available]
        let shelf = blocks[Int(place)].shelf
        let isStaged = blocks[Int(place)].isStaged
        let head = isStaged ? shelves[shelf].staged[number] : shelves[shelf].leased[number]
        blocks[Int(place)].previous = HostShelf.none
        blocks[Int(place)].next = head
        if head != HostShelf.none { blocks[Int(head)].previous = place }
        shelves[shelf].setHead(isStaged, number, to: place)
    }

    mutating func delist(_ place: UInt32) {
        guard blocks[Int(place)].isOpen else { return }
        let (previous, next) = (blocks[Int(place)].previous, blocks[Int(place)].next)
        if next != HostShelf.none { blocks[Int(next)].previous = previous }
        if previous != HostShelf.none {
            blocks[Int(previous)].next = next
        } else {
            let number = blocks[Int(place)].counts[.available]
            shelves[blocks[Int(place)].shelf].setHead(blocks[Int(place)].isStaged, number, to: next)
        }
    }
}

/// Identifiers in the order in which their cooldown began, which is the order in which it ends.
struct CoolingQueue: Sendable {
    private var entries = Deque<HostBook.Cooling>()
    var first: HostBook.Cooling? { entries.first }
    mutating func append(_ entry: HostBook.Cooling) { entries.append(entry) }
    mutating func removeFirst() { entries.removeFirst() }
}
