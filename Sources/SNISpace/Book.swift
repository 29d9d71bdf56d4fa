import DequeModule
public import NetworkTypes

/// The book of the 24-bit identifier space: who owns which range, who leases which block, in which epoch.
///
/// Every identifier is in one of seven states. Rows are what can happen (``BookVerb``), columns the state before, cells
/// the state after, `-` a refusal that changes nothing:
///
/// | verb     | free     | reserved | leased   | staged   | marked   | draining    | quarantined |
/// |----------|----------|----------|----------|----------|----------|-------------|-------------|
/// | reserve  | reserved | -        | -        | -        | -        | -           | -           |
/// | release  | -        | free     | leased   | staged   | marked   | draining    | quarantined |
/// | lease    | -        | leased   | -        | -        | -        | -           | -           |
/// | stage    | -        | -        | staged   | -        | -        | -           | -           |
/// | mark     | -        | -        | marked   | marked   | -        | -           | -           |
/// | abort    | -        | -        | -        | -        | former   | -           | -           |
/// | drain    | -        | -        | -        | -        | draining | -           | -           |
/// | remove   | -        | -        | -        | -        | -        | quarantined | -           |
/// | free     | -        | -        | -        | -        | -        | -           | free        |
/// | fence    | -        | -        | draining | draining | draining | -           | -           |
/// | sublease | -        | -        | leased   | staged   | -        | -           | -           |
///
/// `former` is leased or staged, whichever it was before the mark. A release (also expiry and deletion) ends the claim
/// of a reservation and never a lease: no path frees a leased block except mark, drain (or fence), remove, free.
///
/// A sub-lease gives one identifier of a leased block to another host (a migration). It is a lease of a block of one,
/// with an epoch of its own, and takes the same table from `leased` on; its `free` returns the identifier to the block
/// around it. Whatever happens to the block leaves it alone, and the block is not freed before its sub-leases are.
///
/// Exclusion takes identifiers out of the pool while it is in use: free ones leave at once, owned ones when they are
/// freed, and it is done when ``excludingLeft`` is 0. Floors are promises of identifiers that stay.
///
/// What the handshake returned to the free space is listed (``reclaimed(after:limit:)``), each identifier once for each
/// life as a leased one. The end of a sub-lease is no entry: its identifier goes back to the block around it, is its
/// host's, and is listed with that block. What was only reserved was never anybody's to reclaim.
///
/// Commands validate and return events; ``apply(_:)`` is the only mutation, so that replaying the events rebuilds the
/// book exactly. The book knows no clock: lifetimes are lengths, and who counts them down asks for the end.
///
/// Chunks: an application finds room in this order: the free buddy of one of its ranges of the size asked (the range
/// doubles), a hot chunk that was opened for it, a fresh chunk in keyed order, and only when none is left, a cold chunk
/// of its own, then a chunk opened for another. Sharing a chunk is safe (ranges are disjoint, and leases end by the
/// handshake alone); it costs the other application room to grow in place, which is why it comes last. An empty chunk
/// closes and returns to the order.
///
/// A chunk is hot while launches happen in it. An application grows in its hot chunks, then in fresh ones; it comes
/// back to its cold chunks only when no fresh one is left, so that they can drain and return.
///
/// Epochs come from one counter of the book, so that they rise over every earlier lease of a block, whatever block
/// sizes and owners it had.
///
/// Inside: one ``Page`` per open chunk with a few bit maps, its leases as records of 48 bytes; per application the
/// chunks that matter to it by the sizes of what is in them. Of several places that would do the lowest is taken, so
/// that a book restored from a snapshot decides as the original would have.
public struct Book: Sendable {
    public let plan: PoolPlan
    let order: ChunkOrder
    var pages: PageTable
    /// Places in the keyed order of the usable chunks that are not open, by the size of their largest free block.
    var unopened = LevelSets()
    /// Open chunks with room, by the size of their largest free block.
    var room = LevelSets()
    var accounts = Registry<ApplicationID, Account>(blank: Account())
    var hosts = Registry<HostID, Holder>(blank: Holder())
    var claims: Registry<ReservationID, Claim>
    /// Claims with something that is not leased, and those with something that is, in the order of preemption.
    var spareClaims = SortedPieces<ClaimPlace>()
    var leasedClaims = SortedPieces<ClaimPlace>()
    var line = WaitingLine()
    var reasons = Reasons()
    /// Applications that are gone for good.
    var retired: Set<ApplicationID> = []
    /// Leases of one identifier inside a leased block, by identifier.
    var subleased: [UInt32: LeaseRecord] = [:]
    var subleaseFirsts = IdentifierSet()
    var lastEpoch = Epoch(0)
    var ownedTotal = 0
    /// Identifiers promised by floors and not owned yet. Never more than ``grantable``, unless hosts turned out to hold
    /// what the book did not know.
    var floorDebt = 0
    /// What is of the pool and stays in it, in blocks of at least four, free or owned.
    var grantableTotal = 0
    /// Owned identifiers that leave the pool when they are freed.
    var leavingTotal = 0
    var byState = StateCounts()
    public internal(set) var leaseCount = 0
    var answers = AnswerLog()
    var reclaimedLog = ReclaimedLog()
    /// Ranges that leave the pool; ascending, disjoint, joined.
    public internal(set) var excluding: [SNIRange] = []
    /// Identifiers of the plan inside `excluding`, and how many of them have left.
    var excludingTotal = 0
    var withdrawn = 0
    let planned: Int

    public init(plan: PoolPlan) {
        self.plan = plan
        order = plan.order
        let chunks = plan.chunks
        pages = PageTable(chunks: Int(chunks.last ?? 0) + 1, depth: plan.chunkOrder - 2)
        claims = Registry(blank: Claim.none)
        planned = plan.capacity
        for chunk in chunks {
            shelve(chunk, before: 0)
            grantableTotal += grantable(in: chunk).reduce(0) { $0 + $1.size }
        }
    }
}

extension Book: Hashable {
    /// By content: what happened on the way there does not count.
    public static func == (lhs: Book, rhs: Book) -> Bool { lhs.snapshot == rhs.snapshot }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(lastEpoch)
        hasher.combine(ownedTotal)
        hasher.combine(leaseCount)
    }
}

/// Answers by idempotency key, oldest forgotten first.
struct AnswerLog: Hashable, Sendable {
    static let countMax = 16_384
    private var byKey: [String: Reservation] = [:]
    private var keys = Deque<String>()

    subscript(key: String) -> Reservation? { byKey[key] }
    var all: [Reservation] { keys.compactMap { byKey[$0] } }

    mutating func record(_ reservation: Reservation) {
        guard !reservation.idempotencyKey.isEmpty else { return }
        if byKey.updateValue(reservation, forKey: reservation.idempotencyKey) == nil {
            keys.append(reservation.idempotencyKey)
        }
        if keys.count > Self.countMax, let oldest = keys.popFirst() { byKey[oldest] = nil }
    }
}

/// Blocks that returned to the free space, oldest forgotten first.
struct ReclaimedLog: Hashable, Sendable {
    static let countMax = 65_536
    var last: UInt64 = 0
    private(set) var entries = Deque<ReclaimedBlock>()

    init(last: UInt64 = 0, entries: [ReclaimedBlock] = []) {
        self.last = last
        self.entries = Deque(entries)
    }

    mutating func record(_ lease: BlockLease) {
        last += 1
        entries.append(
            ReclaimedBlock(
                cursor: last, block: lease.block, application: lease.application, host: lease.host,
                reason: lease.reason))
        if entries.count > Self.countMax { entries.removeFirst() }
    }

    func after(_ cursor: UInt64, limit: Int) -> [ReclaimedBlock] {
        guard let first = entries.first, cursor < last else { return [] }
        let skip = cursor < first.cursor ? 0 : Int(cursor - first.cursor) + 1
        return Array(entries.dropFirst(skip).prefix(max(0, limit)))
    }
}
