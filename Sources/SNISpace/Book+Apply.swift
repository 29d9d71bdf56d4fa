import NetworkTypes

extension Book {
    /// The only mutation. Events come from commands of this book, or from a store that kept them in order.
    public mutating func apply(_ event: BookEvent) {
        switch event {
        case .chunkOpened(let index, let home): open(index, home)
        case .reserved(let reservation): applyReserved(reservation)
        case .reservationExtended(let id, let lifetime): claims[id]?.reservation.lifetime = lifetime
        case .reservationEnded(let id, _): applyEnded(id)
        case .unreserved(let block, let application):
            guard accounts[application]?.idle.remove(block) == true else {
                preconditionFailure("\(block) is released and was not reserved for \(application)")
            }
            cut(block)
            giveBack(block, of: application)
        case .leased(let lease): applyLeased(lease)
        case .staged(let block): transition(block, to: .staged)
        case .marked(let block, let epoch, let reason, let force):
            lastEpoch = max(lastEpoch, epoch)
            change(block) { lease in
                lease.stagedBeforeMark = lease.state == .staged
                lease.epoch = epoch
                lease.reason = reason
                lease.force = force
            }
            transition(block, to: .marked)
        case .markAborted(let block, let epoch):
            lastEpoch = max(lastEpoch, epoch)
            let staged = leases[block.first.rawValue]?.stagedBeforeMark ?? false
            change(block) { lease in
                lease.epoch = epoch
                lease.reason = ""
                lease.force = false
                lease.stagedBeforeMark = false
            }
            transition(block, to: staged ? .staged : .leased)
        case .drained(let block, let epoch):
            lastEpoch = max(lastEpoch, epoch)
            change(block) { $0.epoch = epoch }
            transition(block, to: .draining)
            if let owner = leases[block.first.rawValue]?.application { accounts[owner]?.active.remove(block) }
        case .removed(let block): transition(block, to: .quarantined)
        case .freed(let block): applyFreed(block)
        case .quotaSet(let application, let cap, let floor):
            adjustFloors(of: application) { account in
                account.cap = cap
                account.floor = floor
            }
        case .applicationForgotten(let application):
            adjustFloors(of: application) { account in
                account.cap = 0
                account.floor = 0
            }
        }
    }

    private mutating func change(_ block: SNIBlock, _ body: (inout BlockLease) -> Void) {
        guard var lease = leases[block.first.rawValue] else {
            preconditionFailure("event for \(block), which nobody leases")
        }
        body(&lease)
        leases[block.first.rawValue] = lease
    }

    private mutating func transition(_ block: SNIBlock, to state: LeaseState) {
        guard let before = leases[block.first.rawValue] else {
            preconditionFailure("event for \(block), which nobody leases")
        }
        count(before, -block.size)
        change(block) { $0.state = state }
        if let after = leases[block.first.rawValue] { count(after, block.size) }
    }

    private mutating func count(_ lease: BlockLease, _ identifiers: Int) {
        byState[lease.state] += identifiers
        accounts[lease.application]?.byState[lease.state] += identifiers
    }

    // MARK: Ownership

    private mutating func applyReserved(_ reservation: Reservation) {
        take(reservation.block, for: reservation.application)
        accounts[reservation.application]?.idle.insert(reservation.block)
        accounts[reservation.application]?.reservations.insert(reservation.id)
        claims[reservation.id] = Claim(reservation: reservation, pieces: [reservation.block])
        pieces.insert(reservation.block, of: reservation.id)
        answers.record(reservation)
    }

    private mutating func applyEnded(_ id: ReservationID) {
        guard let claim = claims.removeValue(forKey: id) else { return }
        let application = claim.reservation.application
        accounts[application]?.reservations.remove(id)
        for piece in claim.pieces.sorted() {
            pieces.remove(piece)
            for block in accounts[application]?.idle.extract(within: piece) ?? [] { giveBack(block, of: application) }
        }
    }

    private mutating func applyLeased(_ lease: BlockLease) {
        lastEpoch = max(lastEpoch, lease.epoch)
        let first = lease.block.first.rawValue
        guard accounts[lease.application]?.idle.remove(lease.block) == true else {
            preconditionFailure("\(lease.block) is leased and was not reserved for \(lease.application)")
        }
        insertLease(lease)
        accounts[lease.application]?.active.insert(lease.block)
        precondition(leases[first] != nil)
    }

    mutating func insertLease(_ lease: BlockLease) {
        let first = lease.block.first.rawValue
        accounts[lease.application]?.leases.insert(first)
        leases[first] = lease
        leaseFirsts.insert(first)
        hostLeases[lease.host, default: IdentifierSet()].insert(first)
        count(lease, lease.block.size)
    }

    private mutating func applyFreed(_ block: SNIBlock) {
        let first = block.first.rawValue
        guard let lease = leases.removeValue(forKey: first) else {
            preconditionFailure("\(block) is freed and was not leased")
        }
        count(lease, -block.size)
        leaseFirsts.remove(first)
        accounts[lease.application]?.leases.remove(first)
        hostLeases[lease.host]?.remove(first)
        if hostLeases[lease.host]?.isEmpty ?? false { hostLeases[lease.host] = nil }
        cut(block)
        giveBack(block, of: lease.application)
        reclaimedLog.record(lease)
    }

    /// Takes `block` out of the claims that cover it: they end where its identifiers are free for anybody.
    private mutating func cut(_ block: SNIBlock) {
        for piece in pieces.overlapping(block) {
            pieces.remove(piece.block)
            claims[piece.claim]?.pieces.remove(piece.block)
            var rest = BuddyIndex()
            rest.insert(piece.block)
            if piece.block.size > block.size { rest.remove(block) } else { rest = BuddyIndex() }
            for part in rest.blocks {
                pieces.insert(part, of: piece.claim)
                claims[piece.claim]?.pieces.insert(part)
            }
            if let claim = claims[piece.claim], claim.pieces.isEmpty {
                claims[piece.claim] = nil
                accounts[claim.reservation.application]?.reservations.remove(piece.claim)
            }
        }
    }

    /// Free identifiers become the application's.
    mutating func take(_ block: SNIBlock, for application: ApplicationID) {
        let number = plan.chunk(of: block.first)
        reroom(number) { free in
            guard free.remove(block) else { preconditionFailure("\(block) is taken and was not free") }
        }
        adjustFloors(of: application) { $0.owned.insert(block) }
        ownedTotal += block.size
    }

    private mutating func giveBack(_ block: SNIBlock, of application: ApplicationID) {
        adjustFloors(of: application) { account in
            guard account.owned.remove(block) else {
                preconditionFailure("\(block) returns from \(application), not its")
            }
        }
        ownedTotal -= block.size
        let number = plan.chunk(of: block.first)
        reroom(number) { $0.insert(block) }
        if let chunk = chunks[number], chunk.free.identifiers == chunk.usable { close(number, chunk) }
    }

    private mutating func adjustFloors(of application: ApplicationID, _ body: (inout Account) -> Void) {
        floorDebt -= accounts[application]?.floorDebt ?? 0
        body(&accounts[application, default: Account(chunkOrder: plan.chunkOrder)])
        floorDebt += accounts[application]?.floorDebt ?? 0
        // A blank account is no account, so that books with the same content are equal.
        if accounts[application]?.isBlank ?? false { accounts[application] = nil }
    }

    // MARK: Chunks

    mutating func open(_ index: Int, _ home: ApplicationID) {
        unopened.remove(UInt32(index))
        let number = order.chunk(at: index)
        let usable = plan.usable(in: number)
        chunks[number] = Chunk(index: index, home: home, free: usable, usable: usable.identifiers)
        enlist(number, true)
    }

    private mutating func close(_ number: UInt32, _ chunk: Chunk) {
        enlist(number, false)
        chunks[number] = nil
        unopened.insert(UInt32(chunk.index))
    }

    private mutating func reroom(_ number: UInt32, _ body: (inout BuddyIndex) -> Void) {
        enlist(number, false)
        guard chunks[number] != nil else { preconditionFailure("chunk \(number) is not open") }
        body(&chunks[number, default: Chunk.none].free)
        enlist(number, true)
    }

    private mutating func enlist(_ number: UInt32, _ listed: Bool) {
        guard let chunk = chunks[number], let order = chunk.free.largestOrder else { return }
        let key = HomeKey(application: chunk.home, order: order)
        if listed {
            room[order].insert(number)
            homes[key, default: IdentifierSet()].insert(number)
        } else {
            room[order].remove(number)
            homes[key]?.remove(number)
            if homes[key]?.isEmpty ?? false { homes[key] = nil }
        }
    }
}
