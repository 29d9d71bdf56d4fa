import NetworkTypes
import SimulationKit

@testable import SNISpace

/// The book as somebody would write it who has all the time in the world: one record per identifier.
struct NaiveModel {
    struct Sublease: Equatable {
        var state: IdentifierState
        var host: HostID
    }
    struct Cell: Equatable {
        var state = IdentifierState.free
        var owner: ApplicationID?
        var host: HostID?
        var claim: ReservationID?
    }
    let pool: [SNIRange]
    let excluded: [SNIRange]
    let chunkSize: Int
    var cells: [UInt32: Cell] = [:]
    var subleases: [UInt32: Sublease] = [:]
    /// Ranges on their way out of the pool, and identifiers that are out.
    var excluding: [SNIRange] = []
    var gone: Set<UInt32> = []
    /// How often each identifier became free after it was leased.
    var returned: [UInt32: Int] = [:]
    /// The highest epoch that each identifier ever had.
    var epochs: [UInt32: Epoch] = [:]

    init(pool: [SNIRange], excluded: [SNIRange], chunkSize: Int) {
        self.pool = pool
        self.excluded = excluded
        self.chunkSize = chunkSize
        for range in pool {
            for number in range.first.rawValue..<range.end {
                let sni = SessionNetworkID(unchecked: number)
                guard !excluded.contains(where: { $0.contains(sni) }), number >= chunkSize else { continue }
                cells[number] = Cell()
            }
        }
    }

    mutating func apply(_ event: BookEvent) throws {
        switch event {
        case .chunkOpened, .chunkTempered, .reservationExtended, .quotaSet, .ranked, .applicationForgotten: break
        case .excluded(let range):
            excluding.append(range)
            settle()
        case .included(let range):
            excluding = excluding.flatMap { $0.without(range) }
            for number in gone where range.contains(SessionNetworkID(unchecked: number)) {
                gone.remove(number)
                cells[number] = Cell()
            }
        case .reserved(let reservation):
            try change(reservation.block, from: [.free]) { cell in
                cell = Cell(state: .reserved, owner: reservation.application, host: nil, claim: reservation.id)
            }
        case .reservationEnded(let id, _):
            for (number, cell) in cells where cell.claim == id {
                if cell.state == .reserved { cells[number] = Cell() } else { cells[number]?.claim = nil }
            }
            settle()
        case .unreserved(let block, let application):
            try change(block, from: [.reserved]) { cell in
                precondition(cell.owner == application)
                cell = Cell()
            }
            settle()
        case .leased(let lease):
            try change(lease.block, from: [.reserved]) { cell in
                guard cell.owner == lease.application else { return cell.owner = nil }
                cell.state = .leased
                cell.host = lease.host
            }
            try rise(lease.block, to: lease.epoch)
        case .subleased(let lease): try sublease(lease)
        // Leased and staged are one here; which of the two it is, the table test knows.
        case .staged(let block): try change(block, from: [.leased]) { $0.state = .leased }
        case .marked(let block, let epoch, _, _):
            try change(block, from: [.leased]) { $0.state = .marked }
            try rise(block, to: epoch)
        case .markAborted(let block, let epoch):
            try change(block, from: [.marked]) { $0.state = .leased }
            try rise(block, to: epoch)
        case .drained(let block, let epoch):
            try change(block, from: [.marked]) { $0.state = .draining }
            try rise(block, to: epoch)
        case .fenced(let block, let epoch, _):
            try change(block, from: [.leased, .marked]) { $0.state = .draining }
            try rise(block, to: epoch)
        case .removed(let block): try change(block, from: [.draining]) { $0.state = .quarantined }
        case .superseded(let block):
            try change(block, from: [.draining, .quarantined]) { $0 = Cell() }
            if block.size == 1 { subleases[block.first.rawValue] = nil }
            settle()
        case .freed(let block): try free(block)
        }
    }

    private mutating func free(_ block: SNIBlock) throws {
        let living = block.identifiers.filter { subleases[$0.rawValue] != nil }
        try hold(block.size == 1 || living.isEmpty, "\(block) is freed around a sub-lease")
        try change(block, from: [.quarantined]) { $0 = Cell() }
        if block.size > 1 { for sni in block.identifiers { returned[sni.rawValue, default: 0] += 1 } }
        if block.size == 1 { subleases[block.first.rawValue] = nil }
        settle()
    }

    private mutating func sublease(_ lease: BlockLease) throws {
        let sni = lease.block.first.rawValue
        try hold(lease.block.size == 1 && subleases[sni] == nil, "\(sni) is sub-leased twice")
        let cell = cells[sni] ?? Cell()
        try hold(cell.state == .leased && cell.host != lease.host, "\(sni) is no identifier to sub-lease")
        try hold(cell.owner == lease.application, "\(sni) is sub-leased for somebody else")
        subleases[sni] = Sublease(state: .leased, host: lease.host)
        try rise(lease.block, to: lease.epoch)
    }

    /// What is free inside the excluded ranges leaves.
    private mutating func settle() {
        for (number, cell) in cells where cell.state == .free {
            guard excluding.contains(where: { $0.contains(SessionNetworkID(unchecked: number)) }) else { continue }
            cells[number] = nil
            gone.insert(number)
        }
    }

    /// A block of one is a sub-lease: its state is its own, the cell below stays.
    private mutating func changeSublease(
        _ block: SNIBlock, from states: [IdentifierState], _ body: (inout Cell) -> Void
    ) throws {
        guard let sublease = subleases[block.first.rawValue], let owner = cells[block.first.rawValue]?.owner else {
            throw PropertyViolation("\(block) is not sub-leased")
        }
        var cell = Cell(state: sublease.state, owner: owner)
        try hold(states.contains(cell.state), "\(block) is \(cell.state), wanted one of \(states)")
        body(&cell)
        subleases[block.first.rawValue]?.state = cell.state
    }

    private mutating func change(
        _ block: SNIBlock, from states: [IdentifierState], _ body: (inout Cell) -> Void
    ) throws {
        if block.size == 1, states != [.reserved] { return try changeSublease(block, from: states, body) }
        for sni in block.identifiers {
            guard var cell = cells[sni.rawValue] else { throw PropertyViolation("\(sni) is outside the pool") }
            try hold(states.contains(cell.state), "\(sni) is \(cell.state), wanted one of \(states)")
            body(&cell)
            try hold(cell.state == .free || cell.owner != nil, "\(sni) went to somebody who did not reserve it")
            cells[sni.rawValue] = cell
        }
    }

    private mutating func rise(_ block: SNIBlock, to epoch: Epoch) throws {
        for sni in block.identifiers {
            try hold(epoch > epochs[sni.rawValue] ?? Epoch(0), "epoch \(epoch) of \(sni) does not rise")
            epochs[sni.rawValue] = epoch
        }
    }

    /// Every identifier, one by one.
    func compare(with book: Book) throws {
        var free = 0
        for (number, cell) in cells {
            let sni = SessionNetworkID(unchecked: number)
            var state = book.state(of: sni)
            if state == .staged { state = .leased }
            let expected = subleases[number]?.state ?? cell.state
            try hold(state == expected, "\(sni) is \(String(describing: state)), the model says \(expected)")
            try hold(book.owner(of: sni) == cell.owner, "\(sni) has another owner")
            if cell.state != .free, cell.state != .reserved {
                let host = subleases[number]?.host ?? cell.host
                try hold(book.lease(around: sni)?.host == host, "\(sni) has another host")
                try hold(book.blockLease(around: sni)?.host == cell.host, "the block around \(sni) has another host")
            }
            if cell.state == .free { free += 1 }
        }
        for number in gone {
            try hold(book.state(of: SessionNetworkID(unchecked: number)) == nil, "\(number) is out, and has a state")
        }
        try comparePool(with: book)
        try compareReclaimed(with: book)
        try hold(free == book.free, "\(book.free) free, the model has \(free)")
        try hold(book.capacity == cells.count, "capacity \(book.capacity), the model has \(cells.count)")
        for application in book.applications {
            let mine = cells.values.filter { $0.owner == application }
            let holdings = book.holdings(of: application)
            try hold(holdings.owned == mine.count, "\(application) owns \(holdings.owned), not \(mine.count)")
            try hold(holdings.reserved == mine.count { $0.state == .reserved }, "reserved of \(application)")
            try hold(holdings.quarantined == mine.count { $0.state == .quarantined }, "quarantined of \(application)")
            let ranges = book.ranges(of: application)
            try hold(ranges.reduce(0) { $0 + $1.size } == mine.count, "ranges of \(application)")
            try hold(ranges.allSatisfy { $0.size <= chunkSize }, "a range spans chunks")
            try compareActive(of: application, with: book)
        }
    }

    /// Each identifier once for each life as a leased one, in one order.
    private func compareReclaimed(with book: Book) throws {
        let entries = book.reclaimed(after: 0, limit: .max)
        try hold(entries.map(\.cursor) == (0..<entries.count).map { UInt64($0 + 1) }, "cursors of the reclaimed list")
        var listed: [UInt32: Int] = [:]
        for sni in entries.flatMap(\.block.identifiers) { listed[sni.rawValue, default: 0] += 1 }
        try hold(listed == returned, "what is listed as reclaimed")
    }

    /// Pages of any size, one after the other, hold every lease once.
    static func comparePages(of book: Book, limit: Int) throws {
        for application in book.applications.map(Optional.some) + [nil] {
            var paged: [BlockLease] = []
            while true {
                let page = book.leases(after: paged.last?.block, of: application, limit: limit)
                try hold(page.count <= limit, "\(page.count) leases on a page of \(limit)")
                paged += page
                if page.count < limit { break }
            }
            let whole = application.map { book.leases(of: $0) } ?? book.allLeases
            try hold(paged == whole, "pages of \(limit) hold other leases")
        }
    }

    private func comparePool(with book: Book) throws {
        let left = excluding.reduce(0) { $0 + $1.count } - gone.count
        try hold(book.excludingLeft == left, "\(book.excludingLeft) left to exclude, the model has \(left)")
        try hold(
            book.allSubleases.map(\.block.first.rawValue) == subleases.keys.sorted(), "other identifiers are sub-leased"
        )
        for host in Set(subleases.values.map(\.host)) {
            let mine = subleases.filter { $0.value.host == host }.keys.sorted()
            try hold(book.subleases(of: host).map(\.block.first.rawValue) == mine, "sub-leases of \(host)")
        }
    }

    /// What kernels carry: leased or marked, as block or as sub-lease.
    private func compareActive(of application: ApplicationID, with book: Book) throws {
        let carried: Set<IdentifierState> = [.leased, .marked]
        let expected = cells.filter { number, cell in
            cell.owner == application
                && (carried.contains(cell.state) || subleases[number].map { carried.contains($0.state) } ?? false)
        }
        let listed = book.activeRuns(of: application).flatMap { Array($0.first.rawValue..<$0.end) }
        try hold(listed == expected.keys.sorted(), "active runs of \(application)")
    }
}
