import NetworkTypes

/// Who owns which identifiers: reservations, and chunks that open and close for them.
extension Book {
    mutating func applyReserved(_ reservation: Reservation) {
        let block = reservation.block
        let application = accounts.intern(reservation.application, Account())
        guard let place = pages.place(of: plan.chunk(of: block.first)) else {
            preconditionFailure("\(block) is reserved in a chunk that is not open")
        }
        take(block, for: application, at: place)
        insertClaim(reservation, pieces: [block], of: application, at: place)
        answers.record(reservation)
    }

    mutating func insertClaim(
        _ reservation: Reservation, pieces: [SNIBlock], of application: UInt32, at place: Int
    ) {
        let size = pieces.reduce(0) { $0 + $1.size }
        let claim = claims.intern(
            reservation.id, Claim(reservation: reservation, identifiers: size, owner: application))
        for piece in pieces { pages[place].claim(pages[place].node(piece), for: claim, of: application) }
        accounts[application].claims += 1
        enter(claim: claim)
        noteUnclaimed(of: application, in: pages[place].number)
    }

    mutating func applyEnded(_ id: ReservationID) {
        guard let claim = claims.number(of: id) else { return }
        let reservation = claims[claim].reservation
        guard let application = accounts.number(of: reservation.application),
            let place = pages.place(of: plan.chunk(of: reservation.block.first))
        else { preconditionFailure("\(id) claims nothing and exists") }
        var idle: [SNIBlock] = []
        for piece in pages[place].pieces(of: claim, within: pages[place].node(reservation.block)) {
            pages[place].unclaim(piece, of: claim, application)
            idle += pages[place].idle.nodes(within: piece).map { pages[place].block($0) }
        }
        removeClaim(claim)
        giveBack(idle, of: application, at: place)
    }

    private mutating func removeClaim(_ claim: UInt32) {
        leave(claim: claim)
        accounts[claims[claim].owner].claims -= 1
        claims.remove(claim)
    }

    mutating func applyUnreserved(_ block: SNIBlock, _ owner: ApplicationID) {
        guard let application = accounts.number(of: owner),
            let place = pages.place(of: plan.chunk(of: block.first))
        else { preconditionFailure("\(block) is released and was not reserved for \(owner)") }
        cut(block, at: place, wasIdle: true)
        giveBack([block], of: application, at: place)
    }

    /// Calls `body` with the claims that cover a block or parts of it, and with the part.
    @inline(__always)
    mutating func forEachClaim(of area: Node, at place: Int, _ body: (inout Book, UInt32, Node) -> Void) {
        if let piece = pages[place].claimed.enclosing(area) {
            return body(&self, pages[place].claim(of: piece), area)
        }
        let depth = pages[place].depth
        for piece in pages[place].pieces(touching: area) {
            body(&self, pages[place].claim(of: piece), piece.level(depth) < area.level(depth) ? piece : area)
        }
    }

    /// Takes `block` out of the claims that cover it: they end where its identifiers are free for anybody.
    mutating func cut(_ block: SNIBlock, at place: Int, wasIdle: Bool) {
        forEachClaim(of: pages[place].node(block), at: place) { book, claim, part in
            let size = 4 << part.level(book.pages[place].depth)
            book.pages[place].unclaim(part, of: claim, book.claims[claim].owner)
            book.edit(claim: claim) { claim in
                claim.identifiers -= size
                if wasIdle { claim.idle -= size }
            }
            if book.claims[claim].identifiers == 0 { book.removeClaim(claim) }
        }
    }

    // MARK: Ownership

    /// Changes a page, and the indices that depend on what an application has there.
    @inline(__always)
    mutating func edit(_ place: Int, _ application: UInt32, _ body: (inout Page) -> Void) {
        let before = pages[place].summary(of: application)
        body(&pages[place])
        let after = pages[place].summary(of: application)
        let chunk = pages[place].number
        if before.free != after.free { reroom(place, from: before.free, to: after.free) }
        if before.idle != after.idle { accounts[application].idle.update(chunk, from: before.idle, to: after.idle) }
        if before.ranges != after.ranges {
            accounts[application].ranges.update(chunk, from: before.ranges, to: after.ranges)
        }
        guard before.isTenant != after.isTenant else { return }
        if after.isTenant {
            accounts[application].chunks.insert(chunk)
        } else {
            accounts[application].chunks.remove(chunk)
        }
    }

    mutating func reroom(_ place: Int, from before: UInt16, to after: UInt16) {
        let chunk = pages[place].number
        let home = pages[place].home
        room.update(chunk, from: before, to: after)
        if pages[place].isHot {
            accounts[home].hotHomes.update(chunk, from: before, to: after)
        } else {
            accounts[home].coldHomes.update(chunk, from: before, to: after)
        }
    }

    /// Free identifiers become the application's, idle.
    mutating func take(_ block: SNIBlock, for application: UInt32, at place: Int) {
        edit(place, application) { page in page.take(page.node(block), for: application) }
        own(block.size, application)
    }

    /// Idle identifiers stop to be the application's. The chunk closes when nobody owns anything in it.
    mutating func giveBack(_ blocks: [SNIBlock], of application: UInt32, at place: Int) {
        for block in blocks {
            let free = grantable(of: block)
            edit(place, application) { page in
                page.giveBack(page.node(block), of: application)
                for part in free { page.release(page.node(part)) }
            }
            if !excluding.isEmpty {
                withdrawn += excludedCount(in: block.range)
                leave(free.reduce(-block.size) { $0 + $1.size }, application)
            }
            own(-block.size, application)
        }
        noteUnclaimed(of: application, in: pages[place].number)
        let isEmpty = pages[place].isEmpty
        settle(application)
        if isEmpty { close(place) }
    }

    /// Owned identifiers will leave the pool, or did.
    mutating func leave(_ identifiers: Int, _ application: UInt32) {
        floorDebt -= accounts[application].floorDebt
        accounts[application].leaving += identifiers
        floorDebt += accounts[application].floorDebt
        leavingTotal += identifiers
    }

    private mutating func own(_ identifiers: Int, _ application: UInt32) {
        floorDebt -= accounts[application].floorDebt
        accounts[application].owned += identifiers
        floorDebt += accounts[application].floorDebt
        ownedTotal += identifiers
    }

    /// Changes what is promised or forbidden to an application.
    mutating func adjust(_ id: ApplicationID, _ body: (inout Account) -> Void) {
        let application = accounts.intern(id, Account())
        floorDebt -= accounts[application].floorDebt
        body(&accounts[application])
        floorDebt += accounts[application].floorDebt
        settle(application)
    }

    /// Forgets an application to which nothing refers.
    private mutating func settle(_ application: UInt32) {
        if accounts[application].isBlank { accounts.remove(application) }
    }

    // MARK: Chunks

    mutating func open(_ index: Int, _ home: ApplicationID, isHot: Bool = true) {
        let number = order.chunk(at: index)
        precondition(pages.place(of: number) == nil, "chunk \(number) is opened twice")
        let free = grantable(in: number)
        unopened.update(UInt32(index), from: Self.shelf(of: free), to: 0)
        let application = accounts.intern(home, Account())
        accounts[application].homes += 1
        var page = Page(number: number, index: index, home: application, depth: plan.chunkOrder - 2)
        page.isHot = isHot
        for block in free { page.release(page.node(block)) }
        pages.open(page)
        if let place = pages.place(of: number) { reroom(place, from: 0, to: page.freeMask) }
    }

    private mutating func close(_ place: Int) {
        let home = pages[place].home
        let number = pages[place].number
        reroom(place, from: pages[place].freeMask, to: 0)
        pages.close(number)
        shelve(number, before: 0)
        accounts[home].homes -= 1
        settle(home)
    }

    /// Puts a closed chunk where the size of its largest free block belongs.
    mutating func shelve(_ number: UInt32, before: UInt16) {
        let shelf = Self.shelf(of: grantable(in: number))
        unopened.update(UInt32(order.index(of: number)), from: before, to: shelf)
    }

    /// Bit of the largest block's level.
    static func shelf(of blocks: [SNIBlock]) -> UInt16 {
        blocks.map { $0.order - 2 }.max().map { 1 << UInt16($0) } ?? 0
    }
}
