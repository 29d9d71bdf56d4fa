import NetworkTypes
import SNISpace
import SimulationKit

/// The book as somebody would write it who has all the time in the world: one record per identifier.
struct NaiveModel {
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
        case .chunkOpened, .reservationExtended, .quotaSet, .applicationForgotten: break
        case .reserved(let reservation):
            try change(reservation.block, from: [.free]) { cell in
                cell = Cell(state: .reserved, owner: reservation.application, host: nil, claim: reservation.id)
            }
        case .reservationEnded(let id, _):
            for (number, cell) in cells where cell.claim == id {
                if cell.state == .reserved { cells[number] = Cell() } else { cells[number]?.claim = nil }
            }
        case .unreserved(let block, let application):
            try change(block, from: [.reserved]) { cell in
                precondition(cell.owner == application)
                cell = Cell()
            }
        case .leased(let lease):
            try change(lease.block, from: [.reserved]) { cell in
                guard cell.owner == lease.application else { return cell.owner = nil }
                cell.state = .leased
                cell.host = lease.host
            }
            try rise(lease.block, to: lease.epoch)
        case .staged(let block): try change(block, from: [.leased]) { $0.state = .staged }
        case .marked(let block, let epoch, _, _):
            try change(block, from: [.leased, .staged]) { $0.state = .marked }
            try rise(block, to: epoch)
        case .markAborted(let block, let epoch):
            // Which of the two it is, the table test knows.
            try change(block, from: [.marked]) { $0.state = .leased }
            try rise(block, to: epoch)
        case .drained(let block, let epoch):
            try change(block, from: [.marked]) { $0.state = .draining }
            try rise(block, to: epoch)
        case .removed(let block): try change(block, from: [.draining]) { $0.state = .quarantined }
        case .freed(let block): try change(block, from: [.quarantined]) { $0 = Cell() }
        }
    }

    private mutating func change(
        _ block: SNIBlock, from states: [IdentifierState], _ body: (inout Cell) -> Void
    ) throws {
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
            if cell.state == .leased, state == .staged { state = .leased }
            try hold(state == cell.state, "\(sni) is \(String(describing: state)), the model says \(cell.state)")
            try hold(book.owner(of: sni) == cell.owner, "\(sni) has another owner")
            if cell.state != .free, cell.state != .reserved {
                try hold(book.lease(around: sni)?.host == cell.host, "\(sni) has another host")
            }
            if cell.state == .free { free += 1 }
        }
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
        }
    }
}
