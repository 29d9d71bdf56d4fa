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
        case .marked(let block, let epoch, let reason, let force): applyMarked(block, epoch, reason, force)
        case .markAborted(let block, let epoch): applyAborted(block, epoch)
        case .drained(let block, let epoch): applyDrained(block, epoch) { _ in }
        case .fenced(let block, let epoch, let reason):
            applyDrained(block, epoch) { lease in
                lease.reason = reason
                lease.fenced = true
            }
        case .removed(let block): transition(block, to: .quarantined)
        case .freed(let block):
            if block.size == 1 { applySubleaseFreed(block) } else { applyFreed(block) }
        case .subleased(let lease): applySubleased(lease)
        case .quotaSet(let application, let cap, let floor):
            adjustFloors(of: application) { account in
                account.cap = cap
                account.floor = floor
            }
        case .ranked(let application, let rank): adjustFloors(of: application) { $0.rank = rank }
        case .excluded(let range): applyExcluded(range)
        case .included(let range): applyIncluded(range)
        case .applicationForgotten(let application):
            adjustFloors(of: application) { account in
                account.cap = 0
                account.floor = 0
                account.rank = .lowest
            }
        }
    }

    // MARK: Leases

    private mutating func applyMarked(_ block: SNIBlock, _ epoch: Epoch, _ reason: String, _ force: Bool) {
        lastEpoch = max(lastEpoch, epoch)
        change(block) { lease in
            lease.stagedBeforeMark = lease.state == .staged
            lease.epoch = epoch
            lease.reason = reason
            lease.force = force
        }
        transition(block, to: .marked)
    }

    private mutating func applyAborted(_ block: SNIBlock, _ epoch: Epoch) {
        lastEpoch = max(lastEpoch, epoch)
        let staged = self[leaseOf: block]?.stagedBeforeMark ?? false
        change(block) { lease in
            lease.epoch = epoch
            lease.reason = ""
            lease.force = false
            lease.stagedBeforeMark = false
        }
        transition(block, to: staged ? .staged : .leased)
    }

    private mutating func applyDrained(_ block: SNIBlock, _ epoch: Epoch, _ body: (inout BlockLease) -> Void) {
        lastEpoch = max(lastEpoch, epoch)
        change(block) { lease in
            lease.epoch = epoch
            body(&lease)
        }
        transition(block, to: .draining)
        deactivate(block)
    }

    /// The lease record of a block, or of a sub-lease when its size is 1.
    private subscript(leaseOf block: SNIBlock) -> BlockLease? {
        get { block.size == 1 ? subleased[block.first.rawValue] : leases[block.first.rawValue] }
        set {
            if block.size == 1 {
                subleased[block.first.rawValue] = newValue
            } else {
                leases[block.first.rawValue] = newValue
            }
        }
    }

    private mutating func change(_ block: SNIBlock, _ body: (inout BlockLease) -> Void) {
        guard var lease = self[leaseOf: block] else {
            preconditionFailure("event for \(block), which nobody leases")
        }
        body(&lease)
        self[leaseOf: block] = lease
    }

    private mutating func transition(_ block: SNIBlock, to state: LeaseState) {
        guard let before = self[leaseOf: block] else {
            preconditionFailure("event for \(block), which nobody leases")
        }
        count(before, -block.size)
        change(block) { $0.state = state }
        if let after = self[leaseOf: block] { count(after, block.size) }
    }

    private mutating func count(_ lease: BlockLease, _ identifiers: Int) {
        // The identifier of a sub-lease is counted with its block.
        guard lease.block.size > 1 else { return }
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
        chunks[number]?.owned += block.size
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
        chunks[number]?.owned -= block.size
        let (stays, leaves) = parted(block)
        reroom(number) { free in for part in stays { free.insert(part) } }
        for part in leaves { chunks[number]?.withdrawn.insert(part) }
        withdrawn += leaves.reduce(0) { $0 + $1.size }
        if let chunk = chunks[number], chunk.owned == 0 { close(number, chunk) }
    }

    mutating func adjustFloors(of application: ApplicationID, _ body: (inout Account) -> Void) {
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
        var free = plan.usable(in: number)
        var left = BuddyIndex(orderMax: plan.chunkOrder)
        for block in excludingBlocks(in: number) {
            for part in free.extract(within: block) { left.insert(part) }
        }
        chunks[number] = Chunk(index: index, home: home, free: free, withdrawn: left)
        enlist(number, true)
    }

    private mutating func close(_ number: UInt32, _ chunk: Chunk) {
        enlist(number, false)
        chunks[number] = nil
        if !chunk.free.isEmpty { unopened.insert(UInt32(chunk.index)) }
    }

    mutating func reroom(_ number: UInt32, _ body: (inout BuddyIndex) -> Void) {
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
