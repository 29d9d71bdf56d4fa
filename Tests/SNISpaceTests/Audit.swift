import NetworkTypes
import SimulationKit

@testable import SNISpace

/// Everything that the book keeps twice, compared with what it is derived from.
func audit(_ book: Book) throws {
    var pages: [Page] = []
    book.pages.forEach { pages.append($0) }
    for page in pages { try audit(page) }
    try auditRoom(book, pages)
    for (id, number) in book.accounts.all { try audit(id, number, in: book, pages) }
    try auditHosts(book, pages)
    let leases = pages.flatMap(\.records)
    try hold(leases.count == book.leaseCount, "\(book.leaseCount) leases, there are \(leases.count)")
    for state in LeaseState.allCases {
        let identifiers = leases.filter { $0.state == state }.reduce(0) { $0 + $1.size }
        try hold(book.byState[state] == identifiers, "identifiers in \(state)")
    }
    let owned = book.accounts.all.reduce(0) { $0 + book.accounts[$1.number].owned }
    try hold(owned == book.ownedTotal, "owned in all")
    let debt = book.accounts.all.reduce(0) { $0 + book.accounts[$1.number].floorDebt }
    try hold(debt == book.floorDebt, "floors in all")
    let leaving = book.accounts.all.reduce(0) { $0 + book.accounts[$1.number].leaving }
    try hold(leaving == book.leavingTotal, "leaving in all")
    let grantable = book.plan.chunks.flatMap { book.grantable(in: $0) }.reduce(0) { $0 + $1.size }
    try hold(grantable == book.grantableTotal, "\(book.grantableTotal) may be granted, not \(grantable)")
    let free = pages.flatMap { page in page.free.nodes.map(page.block) }.reduce(0) { $0 + $1.size }
    let closed = book.plan.chunks.filter { book.pages.place(of: $0) == nil }
    let waiting = closed.flatMap { book.grantable(in: $0) }.reduce(0) { $0 + $1.size }
    try hold(free + waiting == book.grantable, "\(book.grantable) are free to be granted, not \(free + waiting)")
    try auditClaims(book, pages)
}

private func auditClaims(_ book: Book, _ pages: [Page]) throws {
    func ids(_ list: SortedPieces<ClaimPlace>, isUnclaimed: Bool) throws -> Set<ReservationID> {
        var found: [ClaimPlace] = []
        list.forEach(after: nil) { place in
            found.append(place)
            return true
        }
        try hold(found == found.sorted(), "claims are out of order")
        for place in found {
            let chunk = book.plan.chunk(of: SessionNetworkID(unchecked: place.first))
            let fresh = place.number.map { book.place(of: $0) } ?? book.unclaimedPlace(of: place.owner, in: chunk)
            try hold(place == fresh, "a claim stands at another place")
        }
        return Set(found.filter { ($0.number == nil) == isUnclaimed }.map { ReservationID($0.id) })
    }
    var (spare, leased): (Set<ReservationID>, Set<ReservationID>) = ([], [])
    for (id, number) in book.claims.all {
        let claim = book.claims[number]
        let pieces = book.pieces(of: id)
        let size = pieces.reduce(0) { $0 + $1.size }
        try hold(size == claim.identifiers && size > 0, "identifiers of \(id)")
        let idle = pieces.flatMap { book.idleBlocks(touching: $0.range) }.reduce(0) { $0 + $1.block.size }
        try hold(idle == claim.idle, "\(claim.idle) idle in \(id), there are \(idle)")
        try hold(book.accounts.key(claim.owner) == claim.reservation.application, "owner of \(id)")
        if idle > 0 { spare.insert(id) }
        if idle < size { leased.insert(id) }
    }
    try hold(ids(book.spareClaims, isUnclaimed: false) == spare, "claims with something idle")
    try hold(ids(book.leasedClaims, isUnclaimed: false) == leased, "claims with something leased")
    var unclaimed: Set<ReservationID> = []
    for (id, number) in book.accounts.all {
        let chunks = pages.filter { page in
            page.records.contains { record in
                record.application == number && page.covered(page.node(record.block)) < record.size
            }
        }
        try hold(Array(book.accounts[number].unclaimed) == chunks.map(\.number), "unclaimed chunks of \(id)")
        if !chunks.isEmpty { unclaimed.insert(ReservationID(id.uuid)) }
    }
    try hold(ids(book.leasedClaims, isUnclaimed: true) == unclaimed, "leases without a claim")
}

extension Page {
    /// Identifiers of a block that claims cover.
    fileprivate func covered(_ area: Node) -> Int {
        pieces(touching: area).reduce(0) { $0 + 4 << min($1.level(depth), area.level(depth)) }
    }
}

private func audit(_ page: Page) throws {
    let depth = page.depth
    func granules(_ nodes: [Node]) -> Set<UInt32> {
        nodes.reduce(into: []) { set, node in
            let first = node.granule(depth)
            set.formUnion(first..<first + 1 << UInt32(node.level(depth)))
        }
    }
    var leased: Set<UInt32> = []
    var carried: Set<UInt32> = []
    for (slot, record) in page.records.enumerated() {
        try hold(page.slot(at: record.first) == slot, "slot of \(record.block)")
        try hold(page.slot(around: record.end - 1) == slot, "slot around the end of \(record.block)")
        let mine = granules([page.node(record.block)])
        try hold(leased.isDisjoint(with: mine), "\(record.block) overlaps another lease")
        leased.formUnion(mine)
        if record.state.isCarried { carried.formUnion(mine) }
        try hold(page.owner(of: page.node(record.block).granule(depth)) == record.application, "owner of a lease")
    }
    let bits = page.carried.enumerated().flatMap { place, word in
        (0..<64).filter { word >> UInt64($0) & 1 != 0 }.map { UInt32(place * 64 + $0) }
    }
    try hold(Set(bits) == carried, "carried granules of chunk \(page.number)")
    let free = granules(page.free.nodes)
    let idle = granules(page.idle.nodes)
    let owned = granules(page.ranges.nodes)
    try hold(free.isDisjoint(with: owned), "free and owned in chunk \(page.number)")
    try hold(idle.isDisjoint(with: leased) && idle.union(leased) == owned, "owned is neither idle nor leased")
    try hold(granules(page.claimed.nodes).isSubset(of: owned), "something claimed is not owned")
    try hold(page.freeMask == page.free.nodes.map { 1 << UInt16($0.level(depth)) }.max() ?? 0, "largest free block")
    for tenant in page.tenants {
        let ranges = page.ranges.nodes.filter { page.owner(of: $0) == tenant.application }
        let idle = page.idle.nodes.filter { page.owner(of: $0.granule(depth)) == tenant.application }
        let claimed = page.claimed.nodes.filter { page.owner(of: $0.granule(depth)) == tenant.application }
        try hold(granules(claimed).count == tenant.claimed, "claimed granules of a tenant")
        try hold(granules(ranges).count == tenant.granules && tenant.granules > 0, "granules of a tenant")
        for level in 0...depth {
            try hold(tenant.ranges[level] == ranges.count { $0.level(depth) == level }, "ranges of a tenant")
            try hold(tenant.idle[level] == idle.count { $0.level(depth) == level }, "idle blocks of a tenant")
        }
    }
    try hold(page.tenants.reduce(0) { $0 + $1.granules } == owned.count, "granules of all tenants")
}

private func auditRoom(_ book: Book, _ pages: [Page]) throws {
    let closed = book.plan.chunks.filter { book.pages.place(of: $0) == nil }
    for level in 0...book.plan.chunkOrder - 2 {
        let bit: UInt16 = 1 << UInt16(level)
        try hold(book.room.chunks(level: level) == pages.filter { $0.freeMask == bit }.map(\.number), "room")
        let waiting = closed.filter { Book.shelf(of: book.grantable(in: $0)) == bit }
            .map { UInt32(book.order.index(of: $0)) }
        try hold(book.unopened.chunks(level: level) == waiting.sorted(), "closed chunks of level \(level)")
    }
    for page in pages {
        // What may be granted is free or owned, and nothing else is free.
        let grantable = book.grantable(in: page.number).reduce(0) { $0 + $1.size }
        let free = page.free.nodes.reduce(0) { $0 + page.block($1).size }
        let owned = page.ranges.nodes.map { page.block($0) }
            .reduce(0) { $0 + book.grantable(of: $1).reduce(0) { $0 + $1.size } }
        try hold(free + owned == grantable, "chunk \(page.number) lost identifiers")
    }
    let owned = book.excluding.reduce(0) { sum, range in sum + pages.reduce(0) { $0 + $1.owned(in: range) } }
    try hold(owned == book.excludingLeft, "\(book.excludingLeft) left to exclude, there are \(owned)")
}

private func audit(_ id: ApplicationID, _ number: UInt32, in book: Book, _ pages: [Page]) throws {
    let account = book.accounts[number]
    let homes = pages.filter { $0.home == number }
    let mine = pages.filter { page in page.tenants.contains { $0.application == number } }
    try hold(!account.isBlank, "\(id) is blank and remembered")
    try hold(account.homes == homes.count, "homes of \(id)")
    try hold(Array(account.chunks) == mine.map(\.number), "chunks of \(id)")
    try hold(account.claims == book.reservations(of: id).count, "claims of \(id)")
    let granules = mine.flatMap(\.tenants).filter { $0.application == number }.reduce(0) { $0 + $1.granules }
    try hold(account.owned == 4 * granules, "\(id) owns \(account.owned), not \(4 * granules)")
    let ranges = mine.flatMap { page in
        page.ranges.nodes.filter { page.owner(of: $0) == number }.map(page.block)
    }
    let stays = ranges.flatMap { book.grantable(of: $0) }.reduce(0) { $0 + $1.size }
    try hold(account.leaving == account.owned - stays, "\(account.leaving) of \(id) leave, not all but \(stays)")
    for level in 0...book.plan.chunkOrder - 2 {
        let bit: UInt16 = 1 << UInt16(level)
        func numbers(_ isWanted: (Page) -> Bool) -> [UInt32] { pages.filter(isWanted).map(\.number) }
        try hold(
            account.ranges.chunks(level: level) == numbers { $0.summary(of: number).ranges & bit != 0 },
            "ranges of \(id)")
        try hold(
            account.idle.chunks(level: level) == numbers { $0.summary(of: number).idle & bit != 0 }, "idle of \(id)")
        try hold(
            account.hotHomes.chunks(level: level)
                == numbers { $0.home == number && $0.isHot && $0.freeMask == bit }, "hot homes of \(id)")
        try hold(
            account.coldHomes.chunks(level: level)
                == numbers { $0.home == number && !$0.isHot && $0.freeMask == bit }, "cold homes of \(id)")
    }
    for state in LeaseState.allCases {
        let leases = pages.flatMap(\.records).filter { $0.application == number && $0.state == state }
        try hold(account.byState[state] == leases.reduce(0) { $0 + $1.size }, "\(state) of \(id)")
    }
}

private func auditHosts(_ book: Book, _ pages: [Page]) throws {
    for (id, number) in book.hosts.all {
        let mine = pages.flatMap(\.records).filter { $0.host == number }
        let listed = book.leases(of: id)
        try hold(listed.map(\.block.first.rawValue) == mine.map(\.first).sorted(), "leases of \(id)")
        try hold(book.leaseCount(of: id) == mine.count, "number of leases of \(id)")
        let subleases = book.subleased.values.filter { $0.host == number }.map(\.first).sorted()
        try hold(Array(book.hosts[number].subleases) == subleases, "sub-leases of \(id)")
        try hold(!mine.isEmpty || !subleases.isEmpty, "\(id) leases nothing and is remembered")
    }
}
