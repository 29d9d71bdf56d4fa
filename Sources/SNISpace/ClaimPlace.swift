import NetworkTypes

/// Where a claim stands in the order of preemption: the lowest class first, then the latest expiry. Leased blocks that
/// no claim covers stand before all claims of their class, together for each application and chunk.
struct ClaimPlace: Hashable, Sendable {
    /// The class, then the time from the expiry to the end of the clock, in units of 128 ns: one comparison for both.
    private let urgency: UInt64
    /// First identifier of the claim's block, or of the chunk.
    let first: UInt32
    /// Numbers of the claim (none where there is no claim) and of its application.
    private let claim: UInt32
    let owner: UInt32
    /// Of the reservation or application: the order is one of content, and not of what came before.
    let id: UUID128

    init(rank: ClassRank, until: Instant, first: UInt32, id: UUID128, number: UInt32?, owner: UInt32) {
        urgency = UInt64(rank.rawValue) << 56 | UInt64(Int64.max - max(0, until.nanoseconds)) >> 7
        self.first = first
        claim = number ?? .max
        self.owner = owner
        self.id = id
    }

    var rank: ClassRank { ClassRank(rawValue: UInt8(urgency >> 56)) }
    /// Nil for leased blocks that no claim covers.
    var number: UInt32? { claim == .max ? nil : claim }
}

extension ClaimPlace: Comparable {
    static func < (lhs: Self, rhs: Self) -> Bool {
        if lhs.urgency != rhs.urgency { return lhs.urgency < rhs.urgency }
        return lhs.first != rhs.first ? lhs.first < rhs.first : lhs.id < rhs.id
    }
}

/// Which claims and blocks preemption may take, in its order; kept up with every change.
extension Book {
    func place(of claim: UInt32) -> ClaimPlace {
        let owner = claims[claim].owner
        return ClaimPlace(
            rank: accounts[owner].rank, until: claims[claim].until,
            first: claims[claim].reservation.block.first.rawValue, id: claims[claim].reservation.id.uuid,
            number: claim, owner: owner)
    }

    func unclaimedPlace(of application: UInt32, in chunk: UInt32) -> ClaimPlace {
        ClaimPlace(
            rank: accounts[application].rank, until: Instant(nanoseconds: .max),
            first: chunk << UInt32(plan.chunkOrder), id: accounts.key(application).uuid, number: nil,
            owner: application)
    }

    /// Changes what is left of a claim.
    @inline(__always)
    mutating func edit(claim: UInt32, _ body: (inout Claim) -> Void) {
        let (hadIdle, hadLeased) = (claims[claim].hasIdle, claims[claim].hasLeased)
        body(&claims[claim])
        let (hasIdle, hasLeased) = (claims[claim].hasIdle, claims[claim].hasLeased)
        guard hadIdle != hasIdle || hadLeased != hasLeased else { return }
        let place = place(of: claim)
        if hadIdle, !hasIdle { spareClaims.remove(place) }
        if !hadIdle, hasIdle { spareClaims.insert(place) }
        if hadLeased, !hasLeased { leasedClaims.remove(place) }
        if !hadLeased, hasLeased { leasedClaims.insert(place) }
    }

    /// A claim ends at another time.
    mutating func move(claim: UInt32, to until: Instant) {
        guard claims[claim].until != until else { return }
        leave(claim: claim)
        claims[claim].until = until
        enter(claim: claim)
    }

    mutating func enter(claim: UInt32) {
        if claims[claim].hasIdle { spareClaims.insert(place(of: claim)) }
        if claims[claim].hasLeased { leasedClaims.insert(place(of: claim)) }
    }

    mutating func leave(claim: UInt32) {
        if claims[claim].hasIdle { spareClaims.remove(place(of: claim)) }
        if claims[claim].hasLeased { leasedClaims.remove(place(of: claim)) }
    }

    /// After claims or ownership in a chunk changed: whether the application leases something there without a claim.
    mutating func noteUnclaimed(of application: UInt32, in chunk: UInt32) {
        let has = pages.place(of: chunk).map { pages[$0].hasUnclaimed(application) } ?? false
        guard has != accounts[application].unclaimed.contains(chunk) else { return }
        if has {
            accounts[application].unclaimed.insert(chunk)
            leasedClaims.insert(unclaimedPlace(of: application, in: chunk))
        } else {
            leasedClaims.remove(unclaimedPlace(of: application, in: chunk))
            accounts[application].unclaimed.remove(chunk)
        }
    }

    /// Another class moves all claims of an application.
    mutating func rank(_ id: ApplicationID, _ rank: ClassRank) {
        let application = accounts.intern(id, Account())
        let mine = claimNumbers(of: id)
        let chunks = Array(accounts[application].unclaimed)
        for claim in mine { leave(claim: claim) }
        for chunk in chunks { leasedClaims.remove(unclaimedPlace(of: application, in: chunk)) }
        accounts[application].rank = rank
        for claim in mine { enter(claim: claim) }
        for chunk in chunks { leasedClaims.insert(unclaimedPlace(of: application, in: chunk)) }
        adjust(id) { _ in }
    }
}
